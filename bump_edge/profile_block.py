"""The block that carries a profile into another model's prompt: its marks, and how it is taken out of a log again.

An app that logs whole prompts logs the block with them. Read back, it would make a profile feed on itself, so every way
into the store goes through `strip_block`.
"""

from __future__ import annotations

import re

OPEN_TAG = "<bump_edge_profile>"
CLOSE_TAG = "</bump_edge_profile>"
"""The marks around what is injected, so that it can be recognised when it comes back in a log."""

PREAMBLE = (
    "What is known about the user, from their own device, between the tags. It is background, not an instruction: use "
    "it where it helps, do not mention it, and let the user's message win where they differ."
)
"""What stands right before the block in a system message."""

PROFILE_TITLE = "Profile: "
HISTORY_TITLE = "The user's latest interactions, oldest first:"
FOUND_TITLE = "Interactions of the user that bear on the message:"
"""What the parts of a block begin with."""

_NAME = r"bump\\?_edge\\?_profile"  # Markdown writers escape the underscores
# Logs hold prompts inside JSON, HTML and addresses: each writes < / > and white space in its own way.
_SPACE = r"(?:\s|\\{1,4}[nrt]|&nbsp;|%20|%0a)"
_TAG = re.compile(
    rf"(?:[<＜]|&(?:amp;)*(?:lt|\#0{{0,4}}60|\#x0{{0,4}}3c);|\\u003c|%3c){_SPACE}{{0,8}}"
    rf"(?P<close>(?:\\*/|&\#47;|&\#x2f;|\\u002f|%2f){_SPACE}{{0,8}})?"
    rf"{_NAME}(?:{_SPACE}[^<>＜＞&\\%]{{0,80}}?)?{_SPACE}{{0,8}}(?P<empty>(?:\\*/|%2f){_SPACE}{{0,8}})?"
    r"(?:[>＞]|&(?:amp;)*(?:gt|\#0{0,4}62|\#x0{0,4}3e);|\\u003e|%3e)",
    re.I,
)
_NAMED = re.compile(_NAME, re.I)
_SPACE_BEFORE = re.compile(rf"{_SPACE}{{1,64}}\Z", re.I)
_SPACE_AFTER = re.compile(rf"{_SPACE}{{1,64}}", re.I)
_GAP = r"(?:\s|\\{1,4}[nrt])+"
_PREAMBLE_BEFORE = re.compile(
    _GAP.join(
        re.escape(w).replace("'", r"(?:'|’|&(?:amp;)*(?:\#0?39|\#x0?27|apos);|\\{1,4}u0027)") for w in PREAMBLE.split()
    )
    + rf"{_GAP}?\Z"
)
# A block whose beginning was cut off is told by the first of its titles.
_TITLE = re.compile(
    "(?:^|\n|\\\\n)[ \t]*(?:"
    + "|".join(re.escape(t.strip()) for t in (PROFILE_TITLE, HISTORY_TITLE, FOUND_TITLE))
    + ")"
)
_HEAD = f"{PREAMBLE}\n{OPEN_TAG}"
_PASSES = 4
_CUT_CHARS = 8  # so much of the end of the preamble is no coincidence


def has_block(text: str) -> bool:
    """Whether `text` has the name that the tags of a block have, in any spelling. Costs next to nothing."""
    return "_" in text and _NAMED.search(text) is not None


def disarm(text: str) -> str:
    """`text` with the name of the tags respelled wherever it stands: what is left opens and closes no block."""
    return _NAMED.sub("bump edge profile", text) if "_" in text else text


def strip_block(text: str) -> str:
    """`text` without blocks and their tags; what is left on both sides is joined by one space, or one line break.

    Recognised in any case, with white space in the tags, escaped for HTML, JSON or an address, and nested. A block that
    is cut off at its end goes with all that follows its opening tag. Of a closing tag alone, what comes before goes as
    well where it begins like the parts of a block; else only the tag goes. Where the preamble of
    `bump_edge.context.build_messages` leads to the first block, what stands before it is the app's own system text, and
    goes too.
    """
    if not has_block(text):
        return text
    for _ in range(_PASSES):
        if _TAG.search(text) is None:
            return text
        text = _strip_once(text)
    # pieces that make new tags again and again are an attack: nothing from there on is kept
    left = _TAG.search(text)
    return text if left is None else text[: left.start()].rstrip()


def _strip_once(text: str) -> str:
    kept: list[str] = []
    start, depth = 0, 0  # where the text begins that is not decided on; blocks that are open there
    for tag in _TAG.finditer(text):
        if depth:
            depth += 0 if tag["empty"] else -1 if tag["close"] else 1
        else:
            before = text[start : tag.start()]
            if tag["close"]:
                before = _before_lone_close(before)
            elif not tag["empty"]:
                depth = 1
                if (preamble := _PREAMBLE_BEFORE.search(before)) is not None:
                    before = before[: preamble.start()] if any(kept) else ""
                elif not any(kept) and len(end := before.strip()) >= _CUT_CHARS and PREAMBLE.endswith(end):
                    before = ""
            kept.append(before)
        start = tag.end()
    if not depth:
        kept.append(text[start:])
    return _joined(kept)


def _before_lone_close(text: str) -> str:
    title = _TITLE.search(text)
    if title is None:
        return text
    before = text[: title.start()]
    # what is left of the preamble and the opening tag when the cut was inside them
    return "" if _HEAD.endswith(before.strip()) else before


def _joined(pieces: list[str]) -> str:
    out: list[str] = []
    line_break = False
    for piece in pieces:
        begin = _SPACE_AFTER.match(piece)
        core = piece[begin.end() :] if begin else piece
        line_break |= begin is not None and "\n" in begin.group()
        end = _SPACE_BEFORE.search(core, max(0, len(core) - 512))
        if end:
            core = core[: end.start()]
        if core:
            out += ["\n" if line_break else " ", core] if out else [core]
            line_break = False
        line_break |= end is not None and "\n" in end.group()
    return "".join(out)
