"""Whose turn a record of a chat is: what chat logs of all makes call the speaker, and who of them is not the user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from bump_edge.text import word_set

# Keys are compared by their letters alone: `author.role`, `author_role` and `authorRole` are one.
_KEYS = word_set(
    """
    role author authorrole authortype sender senderrole sendertype from fromrole speaker speakerrole participant
    participantrole participanttype messagerole messageauthorrole messagefrom messagesender turnrole msgrole chatrole
    """
)
_INSIDE = word_set("message messages msg data delta turn meta metadata")
_PART = word_set("role type kind")  # of an object that a key of _KEYS holds
_SPEAKERS = word_set(
    """
    assistant system tool developer function model ai bot chatbot gpt chatgpt llm agent aimessage systemmessage
    toolmessage functionmessage aiassistant assistantmessage virtualassistant toolresult functioncall
    """
)
_TYPES = word_set(
    """
    assistant system tool developer function aimessage systemmessage toolmessage functionmessage assistantmessage
    """
)
_OTHERS = re.compile(r"[\W\d_]+")
_DEPTH = 3


@lru_cache(maxsize=4096)
def _bare(word: str) -> str:
    return _OTHERS.sub("", word).lower()


def names_another(value: object) -> bool:
    """Whether `value`, the name of a speaker, is an assistant's, a system's or a tool's."""
    return type(value) is str and len(value) <= 40 and _bare(value) in _SPEAKERS


def is_anothers_type(type_: str) -> bool:
    """Whether the type of an interaction says that it is such a turn; fewer words do than say so of a speaker."""
    return len(type_) <= 40 and _bare(type_) in _TYPES


def another_speaks(record: Mapping[str, Any], depth: int = _DEPTH) -> bool:
    """Whether a field of `record`, or of an object in it, says that its speaker is not the user."""
    for key, value in record.items():
        kind = type(value)
        if kind is str:
            if len(key) <= 40 and _bare(key) in _KEYS and names_another(value):
                return True
        elif kind is dict and depth and value:
            bare = _bare(key) if len(key) <= 40 else ""
            if bare in _KEYS and any(_bare(k) in _PART and names_another(v) for k, v in value.items() if len(k) <= 40):
                return True
            if bare in _INSIDE and another_speaks(value, depth - 1):
                return True
    return False
