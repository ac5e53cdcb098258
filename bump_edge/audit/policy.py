"""The gate: a profile is held to a policy at the point where it leaves the store.

Errors say how much was found and of what kind, never the text: what is refused must not leave in a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from bump_edge.audit.report import LeakReport, audit_profile
from bump_edge.errors import PolicyError
from bump_edge.pii import Detector, find
from bump_edge.settings import ReleasePolicy
from bump_edge.store import Store
from bump_edge.types import Profile


def release(
    store: Store, profile: Profile, policy: ReleasePolicy, *, detector: Detector | None = None
) -> LeakReport | None:
    """Let a profile of `store` go, or refuse.

    Args:
        profile: what is about to leave.
        policy: what it must not hold; an empty one lets everything go without looking.
        detector: see `bump_edge.audit.audit`.

    Returns:
        The leak report; None under an empty policy.

    Raises:
        PolicyError: the profile holds what the policy forbids.
        NotFoundError: the store has no such user.
    """
    if not policy:
        return None
    report = audit_profile(profile, store.iter_history(profile.user_id), detector=detector)
    most, words = policy.max_verbatim, report.verbatim.words
    reasons = []
    if most is not None and words > most:
        reasons.append(f"it shares {words} words in a row with a raw record, where {most} are allowed")
    if policy.no_pii and report.pii:
        reasons.append(f"it holds personal data ({_listed(report.kinds)})")
    if reasons:
        raise PolicyError(
            f"version {report.version} of the profile of user {profile.user_id!r} is not released: "
            f"{'; '.join(reasons)}. "
            "`bump-edge audit` shows where; take it out with `bump-edge edit` or `forget`, or relax the policy.",
            details=_details(policy, profile, report),
        )
    return report


def check_text(text: str, policy: ReleasePolicy, *, raw: bool, what: str, detector: Detector | None = None) -> None:
    """Hold to a policy what leaves beside a profile.

    Args:
        text: what is about to leave.
        raw: whether raw records are in it: under `max_verbatim` none leaves.
        what: its name in the message, such as ``mode history``.

    Raises:
        PolicyError: the policy forbids it.
    """
    if raw and policy.max_verbatim is not None:
        raise PolicyError(
            f"{what} hands out raw records: expected none where max_verbatim is set. Hand out the profile alone, or "
            "relax the policy.",
            details={"policy": policy.as_dict(), "what": what},
        )
    if policy.no_pii and (spans := find(text, detector=detector)):
        kinds = dict(sorted(Counter(s.kind for s in spans).items()))
        raise PolicyError(
            f"{what} holds personal data ({_listed(kinds)}): expected none where no_pii is set. Redact the log when it "
            "is taken in (`ingest --redact`), forget what holds it, or relax the policy.",
            details={"policy": policy.as_dict(), "what": what, "pii": kinds},
        )


def permit_export(
    store: Store,
    user_ids: Iterable[str] | None,
    policy: ReleasePolicy,
    *,
    histories: bool = False,
    detector: Detector | None = None,
) -> frozenset[str] | None:
    """The texts that an export may hold: those of every version and correction of the users.

    `Store.export_file` takes them as `permitted`, so that nothing leaves that was written after the audit.

    Args:
        user_ids: whom; None means everyone.
        histories: whether raw histories are to leave as well: no policy lets them.

    Returns:
        The texts; None under an empty policy: everything.

    Raises:
        PolicyError: histories were asked for; a version or a correction holds what the policy forbids.
        NotFoundError: there is no such user.
    """
    if not policy:
        return None
    if histories:
        raise PolicyError(
            "an export with histories hands out every raw record: expected none under a policy. Export with "
            "--no-histories (histories=False), or relax the policy.",
            details={"policy": policy.as_dict(), "what": "histories"},
        )
    permitted: set[str] = set()
    for user_id in [u.user_id for u in store.users()] if user_ids is None else list(user_ids):
        for version in store.versions(user_id):
            profile = store.profile(user_id, version)
            release(store, profile, policy, detector=detector)
            permitted.add(profile.text)
            permitted.update(e.sentence for e in profile.evidence)
        for correction in store.corrections(user_id, taken_back=True):
            # a person's own word about their profile is no record, but may hold personal data
            what = f"a correction ({correction.kind}) of user {user_id!r}"
            check_text(correction.text, policy, raw=False, what=what, detector=detector)
            permitted.add(correction.text)
    return frozenset(permitted)


def _listed(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _details(policy: ReleasePolicy, profile: Profile, report: LeakReport) -> dict[str, Any]:
    return {
        "user_id": profile.user_id,
        "version": report.version,
        "policy": policy.as_dict(),
        "verbatim_words": report.verbatim.words,
        "pii": report.kinds,
    }
