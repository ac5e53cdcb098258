"""What the device would store of a rollout: the product's checks, as the reward and its measures ask them."""

from __future__ import annotations

from bump_edge.profiler.checks import Checked, check
from bump_edge.prompts import Prompt
from bump_edge.text import sentences, words
from bump_edge.types import Evidence


def dropped_share(profile: str, asked: Prompt) -> float:
    """The share of a profile's sentences that the product would not store for this prompt as they are, 0 to 1."""
    checked = _checked_text(profile, asked, trims=False)
    return sum(checked.dropped.values()) / checked.written if checked.written else 0.0


def stored_text(profile: str, asked: Prompt) -> str:
    """What the device would store of a profile, names of lists that no record bears out left out; may be empty."""
    return _checked_text(profile, asked, trims=True).text


def lost_share(profile: str, asked: Prompt) -> float:
    """The share of a profile's words that the device would not store for this prompt, 0 to 1."""
    written = len(words(profile))
    return max(0.0, 1 - len(words(stored_text(profile, asked))) / written) if written else 0.0


def _checked_text(profile: str, asked: Prompt, *, trims: bool) -> Checked:
    # what an update keeps of the old profile is taken as proved: its interactions are not in the prompt
    known = asked.interactions[:1]
    standing = [Evidence(sentence=s, interactions=known) for s in sentences(asked.profile or "")]
    return check(profile, asked, standing=standing, trims=trims)
