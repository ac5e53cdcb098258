"""Chat formats, written down here: how messages become the text that an instruction-tuned model was trained on.

A chat template inside a model file is code in a template language, and running it has been a hole (CVE-2024-34359), so
none is ever run. The format is chosen by the special tokens that the tokenizer has. Devices and training share it.

A rendered prompt is a row of segments. A special segment is one token, looked up by its name; every other segment is
content and must be tokenised with special tokens switched off: whatever a log holds, it cannot open or close a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from bump_edge.prompts import Prompt

Messages = Sequence[Mapping[str, str]]


def messages_of(prompt: Prompt) -> list[dict[str, str]]:
    """The messages of a prompt as text that any tokenizer takes: half a surrogate pair becomes a question mark."""
    return [{key: text.encode("utf-8", "replace").decode() for key, text in m.items()} for m in prompt.messages]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rendered prompt: a special token's name, or text that must not be parsed for any."""

    text: str
    special: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """A prompt in a chat format.

    Args:
        prefix: everything up to the user's log: equal for all users, so that its state can be kept.
        rest: the log, the task, and the opening of the answer.
    """

    prefix: tuple[Segment, ...]
    rest: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The whole prompt as one string, as training writes it."""
        return "".join(s.text for s in (*self.prefix, *self.rest))

    @property
    def prefix_text(self) -> str:
        """The fixed prefix as one string; `text` starts with it."""
        return "".join(s.text for s in self.prefix)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatFormat:
    """One family's way to write turns.

    Args:
        name: ``chatml``, ``llama3``, ``gemma``, ``mistral`` or ``plain``.
        bos: the special token that a prompt begins with, where the vocabulary has it; None leaves it to the tokenizer.
        end: special tokens, any of which ends an answer; the first is the one that training appends.
        stop: strings that end an answer where there is no such token.
        closed_thinking: put an empty block of thoughts before the answer, so that the model writes none.
    """

    name: str
    bos: str | None = None
    end: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    closed_thinking: bool = False

    def render(self, messages: Messages) -> Rendered:
        """Write a system message, a user message, and possibly the beginning of the answer, in this format.

        Args:
            messages: ``{"role", "content"}``: an optional ``system``, then ``user``, then, if the answer is to begin
                with given words, ``assistant``; such an answer is left open.

        Raises:
            ValueError: other roles, or another order.
        """
        roles = [m["role"] for m in messages]
        if roles not in (["user"], ["system", "user"], ["user", "assistant"], ["system", "user", "assistant"]):
            raise ValueError(f"messages have the roles {roles}: expected [system,] user [, assistant]")
        said = {m["role"]: m["content"].strip() for m in messages}
        before, after = _LAYOUTS[self.name](said.get("system"))
        bos = [Segment(self.bos, True)] if self.bos else []
        if self.closed_thinking:
            after = [*after, Segment("<think>", True), Segment("\n\n"), Segment("</think>", True), Segment("\n\n")]
        rest = [Segment(said["user"]), *after, Segment(said.get("assistant", ""))]
        return Rendered(prefix=_merge([*bos, *before]), rest=_merge(rest))


Parts = tuple[list[Segment], list[Segment]]


def _chatml(system: str | None) -> Parts:
    before = [Segment("<|im_start|>", True), Segment("user\n")]
    if system is not None:
        opening = [Segment("<|im_start|>", True), Segment(f"system\n{system}"), Segment("<|im_end|>", True)]
        before = [*opening, Segment("\n"), *before]
    return before, [Segment("<|im_end|>", True), Segment("\n"), Segment("<|im_start|>", True), Segment("assistant\n")]


def _llama3(system: str | None) -> Parts:
    def header(role: str) -> list[Segment]:
        return [
            Segment("<|start_header_id|>", True),
            Segment(role),
            Segment("<|end_header_id|>", True),
            Segment("\n\n"),
        ]

    end = Segment("<|eot_id|>", True)
    before = [] if system is None else [*header("system"), Segment(system), end]
    return [*before, *header("user")], [end, *header("assistant")]


def _gemma(system: str | None) -> Parts:
    # Gemma knows no system turn: its text opens the user's.
    before = [Segment("<start_of_turn>", True), Segment("user\n" + (f"{system}\n\n" if system else ""))]
    after = [Segment("<end_of_turn>", True), Segment("\n"), Segment("<start_of_turn>", True), Segment("model\n")]
    return before, after


def _mistral(system: str | None) -> Parts:
    return [Segment("[INST]", True), Segment(f"{system}\n\n" if system else "")], [Segment("[/INST]", True)]


def _plain(system: str | None) -> Parts:
    return [Segment(f"{system}\n\n" if system else "")], []


_LAYOUTS: Mapping[str, Callable[[str | None], Parts]] = {
    "chatml": _chatml, "llama3": _llama3, "gemma": _gemma, "mistral": _mistral, "plain": _plain,
}  # fmt: skip

# In the order of the search: a vocabulary may hold the markers of a family that it was derived from.
_FAMILIES: tuple[tuple[tuple[str, ...], ChatFormat], ...] = (
    (
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        ChatFormat(name="llama3", bos="<|begin_of_text|>", end=("<|eot_id|>", "<|end_of_text|>", "<|eom_id|>")),
    ),
    (
        ("<start_of_turn>", "<end_of_turn>"),
        ChatFormat(name="gemma", bos="<bos>", end=("<end_of_turn>", "<eos>")),
    ),
    (
        ("<|im_start|>", "<|im_end|>"),
        ChatFormat(name="chatml", end=("<|im_end|>", "<|endoftext|>")),
    ),
    (
        ("[INST]", "[/INST]"),
        ChatFormat(name="mistral", bos="<s>", end=("</s>",)),
    ),
)
PLAIN = ChatFormat(name="plain", stop=("\n\n",))
"""For a model without chat tokens: the text, and an answer that ends at an empty line."""


def choose(has_token: Callable[[str], bool]) -> ChatFormat:
    """The format of a vocabulary.

    Args:
        has_token: whether a string is exactly one special token of the vocabulary.
    """
    for markers, format_ in _FAMILIES:
        if all(has_token(m) for m in markers):
            bos = format_.bos if format_.bos and has_token(format_.bos) else None
            thinks = format_.name == "chatml" and has_token("<think>") and has_token("</think>")
            end = tuple(e for e in format_.end if has_token(e))
            return ChatFormat(name=format_.name, bos=bos, end=end, closed_thinking=thinks)
    return PLAIN


def _merge(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    # Neighbouring texts become one, because a tokenizer may join across the seam; empty ones go.
    merged: list[Segment] = []
    for special, group in groupby((s for s in segments if s.text), key=lambda s: s.special):
        run = list(group)
        merged += run if special else [Segment("".join(s.text for s in run))]
    return tuple(merged)


def tokenize(
    rendered: Rendered, special: Callable[[str], int], plain: Callable[[str], Sequence[int]]
) -> tuple[list[int], int]:
    """The tokens of a rendered prompt, and how many of the first of them are its fixed prefix.

    The prefix is where the tokens of all of it and those of the prefix alone agree, so that a token across the seam
    never makes a kept state wrong. At least one token is always left to the rest.

    Args:
        rendered: the prompt.
        special: the id of a special token.
        plain: the ids of a text in which no special token is recognised.
    """

    def encode(segments: Sequence[Segment]) -> list[int]:
        return [t for s in segments for t in ([special(s.text)] if s.special else plain(s.text))]

    tokens = encode(_merge([*rendered.prefix, *rendered.rest]))
    fixed = 0
    for ours, alone in zip(tokens[:-1], encode(rendered.prefix), strict=False):
        if ours != alone:
            break
        fixed += 1
    return tokens, fixed
