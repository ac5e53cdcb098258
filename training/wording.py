"""placeholder"""
from __future__ import annotations
import random
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from bump_edge.backends.base import GenerationOptions, generate
from bump_edge.backends.extractive import ExtractiveBackend
from bump_edge.prompts import Prompt
from bump_edge.text import sentences

@dataclass(frozen=True)
class Draft:
    kind: str
    text: str

def draft(prompt: Prompt, chance: random.Random) -> list[Draft]:
    g = generate(ExtractiveBackend(), [prompt], GenerationOptions(seed=chance.randrange(2)))[0].text
    return [Draft("x", s) for s in sentences(g)]

def rewrite(prompt, old, chance):
    return draft(prompt, chance)

def text_of(d): return " ".join(x.text for x in d)
