"""The leak report of a profile: the longest run that it shares with a raw record, and the personal data in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bump_edge.audit.verbatim import VerbatimRun, longest_run
from bump_edge.pii import Detector, find
from bump_edge.store import Store
from bump_edge.types import LOCAL_USER, Interaction, Profile


@dataclass(frozen=True, kw_only=True, slots=True)
class PiiFinding:
    """Personal data in a profile.

    Args:
        kind: one of `bump_edge.pii.KINDS`.
        rule: what found it.
        start, end: where in the profile's text, in characters.
    """

    kind: str
    rule: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakReport:
    """What a version of a profile gives away.

    Args:
        user_id: whose.
        version: of the profile.
        interactions: raw records that it was compared with: all that the store has of the user.
        verbatim: the longest runs that it shares with them.
        pii: the personal data in it, in order.
    """

    user_id: str
    version: int
    interactions: int
    verbatim: VerbatimRun
    pii: tuple[PiiFinding, ...] = ()

    @property
    def kinds(self) -> dict[str, int]:
        """How many pieces of personal data there are, by kind."""
        return dict(sorted(Counter(f.kind for f in self.pii).items()))

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values. Personal data are told by kind and place, not by their text."""
        return {
            "user_id": self.user_id,
            "version": self.version,
            "interactions": self.interactions,
            "verbatim": {
                "words": self.verbatim.words,
                "run": self.verbatim.run,
                "interaction": self.verbatim.interaction,
                "item_words": self.verbatim.item_words,
            },
            "pii": [{"kind": f.kind, "rule": f.rule, "start": f.start, "end": f.end} for f in self.pii],
        }


def audit(
    store: Store, user_id: str = LOCAL_USER, version: int | None = None, *, detector: Detector | None = None
) -> LeakReport:
    """Audit a stored profile against everything that the store has of its user; reads all of it, in flat memory.

    Args:
        version: None for the latest.
        detector: looks for personal data beside the core's rules, such as `bump_edge.pii.presidio.PresidioDetector`.

    Raises:
        NotFoundError: there is no such user, profile or version.
    """
    return audit_profile(store.profile(user_id, version), store.iter_history(user_id), detector=detector)


def audit_profile(profile: Profile, history: Iterable[Interaction], *, detector: Detector | None = None) -> LeakReport:
    """Audit a profile against a history.

    Args:
        history: what its user's raw records are; read once.
        detector: see `audit`.
    """
    count = 0

    def counted() -> Iterable[Interaction]:
        nonlocal count
        for interaction in history:
            count += 1
            yield interaction

    run = longest_run(profile.text, counted())
    found = find(profile.text, detector=detector)
    return LeakReport(
        user_id=profile.user_id,
        version=profile.version,
        interactions=count,
        verbatim=run,
        pii=tuple(PiiFinding(kind=s.kind, rule=s.rule, start=s.start, end=s.end) for s in found),
    )
