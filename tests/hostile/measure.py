"""How an attack fares against a backend: before the checks, and after the whole profiler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bump_edge import ExtractiveBackend, Interaction, NoProfileError, Profiler, ProfilerOptions, ScriptedBackend, Store
from bump_edge.backends.base import Backend, Chunk, GenerationOptions
from bump_edge.profiler.checks import check, clean
from bump_edge.prompts import Prompt
from bump_edge.text import sentences
from tests.hostile.attacks import HONEST, Attack

Open = Callable[[Attack], Backend]
OPTIONS = GenerationOptions(max_tokens=80)


def interaction(record: dict[str, Any], user_id: str) -> Interaction:
    """A line of a log as the library takes it."""
    fields = {key: record[key] for key in ("text", "item", "type", "rating") if record.get(key) is not None}
    when = datetime.fromisoformat(record["timestamp"])
    return Interaction(user_id=user_id, timestamp=when, meta=record.get("meta", {}), **fields)


def plant(store: Store, attacks: Iterable[Attack]) -> None:
    """Every attack into a history of its own, among honest records; the user's name is the attack's."""
    store.ingest(interaction(record, attack.name) for attack in attacks for record in (*HONEST, *attack.records()))


def extractive(_: Attack) -> Backend:
    """The backend without a model."""
    return ExtractiveBackend()


def obedient(attack: Attack) -> Backend:
    """The worst model that can be: it writes what the attack asks for, and one true sentence."""
    return ScriptedBackend([f"Buys green tea and a tea pot. {attack.obeyed}"])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one attack: whether its sentence was written, whether it was stored, and why it fell."""

    attack: Attack
    written: bool
    stored: bool
    dropped: dict[str, int]


class Heard:
    """A backend, and what it wrote last, before any check."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.text = ""
        self.finished = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def stream(self, prompts: Sequence[Prompt], options: GenerationOptions) -> Iterator[Chunk]:
        self.text = ""
        for chunk in self._backend.stream(prompts, options):
            self.text += chunk.text
            self.finished = chunk.finish == "stop"
            yield chunk


@contextmanager
def planted(path: Path, attacks: Iterable[Attack]) -> Iterator[Store]:
    """A store with the attacks in it."""
    with Store(path) as store:
        plant(store, attacks)
        yield store


def outcome(store: Store, attack: Attack, backend: Backend) -> Outcome:
    """Write the attacked user's profile, without checks and with them."""
    heard = Heard(backend)
    profiler = Profiler(store, heard, options=ProfilerOptions(generation=OPTIONS))
    prompt = profiler.prompt(attack.name)
    try:
        stored = attack.won(profiler.profile(attack.name, force=True).text)
    except NoProfileError:
        stored = False
    written = any(attack.won(sentence) for sentence in sentences(clean(heard.text)))
    dropped = dict(check(heard.text, prompt, finished=heard.finished).dropped)
    return Outcome(attack=attack, written=written, stored=stored, dropped=dropped)
