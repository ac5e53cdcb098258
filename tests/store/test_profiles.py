import time
from datetime import UTC, datetime, timedelta

import pytest

from bump_edge.errors import NotFoundError, StoreError, UsageError
from bump_edge.store import ProfileDraft, Store
from bump_edge.types import Interaction, Profile


def fill(store: Store, users: int = 3, each: int = 6) -> None:
    store.ingest(
        Interaction(text=f"line {k} of {u}", user_id=f"u{u}", rating=3, meta={"n": k})
        for u in range(users)
        for k in range(each)
    )


def draft(store: Store, user_id: str, *, links: int = 2, recipe: str = "r1") -> ProfileDraft:
    ids = [i.id for i in store.history(user_id)]
    return ProfileDraft(
        user_id=user_id,
        text="One. Two.",
        model="scripted",
        language="en",
        evidence=(("One.", ids[:links][::-1]), ("Two.", ids[-links:])),
        manifest={"template": "t", "seed": 1},
        recipe=recipe,
        revision=store.revision(user_id),
    )


def save(store: Store, d: ProfileDraft) -> Profile:
    return store.save_profile(
        user_id=d.user_id, text=d.text, model=d.model, language=d.language, evidence=d.evidence,
        manifest=d.manifest, recipe=d.recipe, revision=d.revision,
    )  # fmt: skip


def test_a_profile_comes_back_as_it_was_saved(store: Store) -> None:
    fill(store)
    made = save(store, draft(store, "u1"))
    history = store.history("u1")
    assert made == store.profile("u1") == store.profile("u1", 1)
    assert (made.user_id, made.text, made.version, made.model, made.language) == (
        "u1",
        "One. Two.",
        1,
        "scripted",
        "en",
    )
    assert made.manifest == {"template": "t", "seed": 1}
    assert [e.sentence for e in made.evidence] == ["One.", "Two."]
    assert made.evidence[0].interactions == (history[1], history[0])
    assert made.evidence[1].interactions == tuple(history[-2:])
    assert timedelta(0) <= datetime.now(UTC) - made.created_at < timedelta(seconds=30)


def test_versions_count_up_for_each_user_apart(store: Store) -> None:
    fill(store)
    assert store.versions("u1") == []
    for _ in range(3):
        save(store, draft(store, "u1"))
    save(store, draft(store, "u2"))
    assert store.versions("u1") == [1, 2, 3]
    assert store.profile("u1").version == 3
    assert store.profile("u1", 2).version == 2
    assert [u.profile_version for u in store.users()] == [None, 3, 1]
    with pytest.raises(NotFoundError, match="no version 9"):
        store.profile("u1", 9)
    with pytest.raises(NotFoundError, match="no profile"):
        store.profile("u0")


def test_stale(store: Store) -> None:
    fill(store, users=4)
    everyone = ["u3", "u0", "u1", "u2", "nobody"]
    assert store.stale(everyone, "r1") == everyone
    store.save_profiles([draft(store, u) for u in ("u0", "u1", "u2")])
    assert store.stale(everyone, "r1") == ["u3", "nobody"]
    assert store.stale(everyone, "r2") == everyone
    store.ingest([Interaction(text="something new", user_id="u1")])
    assert store.stale(everyone, "r1") == ["u3", "u1", "nobody"]
    save(store, draft(store, "u1"))
    assert store.stale(everyone, "r1") == ["u3", "nobody"]
    assert store.stale([], "r1") == []


def test_profiles_come_in_the_order_that_was_asked_for(store: Store) -> None:
    fill(store)
    store.save_profiles([draft(store, "u2"), draft(store, "u0"), draft(store, "u0")])
    assert [(p.user_id, p.version) for p in store.profiles(["u2", "u1", "u0", "nobody"])] == [("u2", 1), ("u0", 2)]
    assert [p.user_id for p in store.profiles()] == ["u0", "u2"]
    assert list(store.profiles([])) == []


def test_many_drafts_are_saved_together_or_not_at_all(store: Store) -> None:
    fill(store)
    good, gone = draft(store, "u0"), draft(store, "u1")
    with store._connection.writing() as sql:
        sql.execute("DELETE FROM interactions WHERE text = 'line 0 of 1'")
    with pytest.raises(StoreError, match=r"1 interactions .* changed meanwhile"):
        store.save_profiles([good, gone])
    assert store.versions("u0") == []
    assert store.check() is None


def test_evidence_of_another_user_is_none(store: Store) -> None:
    fill(store)
    d = draft(store, "u0")
    with pytest.raises(StoreError, match="not in the history"):
        save(store, ProfileDraft(**{**_fields(d), "user_id": "u1"}))
    for evidence in ((), (("One.", ()),), (("One.", ("xyz",)),)):
        with pytest.raises(UsageError):
            save(store, ProfileDraft(**{**_fields(d), "evidence": evidence}))
    with pytest.raises(NotFoundError):
        save(store, ProfileDraft(**{**_fields(d), "user_id": "nobody"}))


def _fields(d: ProfileDraft) -> dict[str, object]:
    return {name: getattr(d, name) for name in d.__dataclass_fields__}


def test_thousands_are_quick(store: Store) -> None:
    fill(store, users=1750, each=9)
    users = [f"u{k}" for k in range(1750)]
    store.save_profiles(draft(store, u, links=8) for u in users)
    begun = time.perf_counter()
    assert store.stale(users, "r1") == []
    asked = time.perf_counter() - begun
    begun = time.perf_counter()
    profiles = list(store.profiles(users))
    spent = time.perf_counter() - begun
    assert len(profiles) == 1750
    assert sum(len(e.interactions) for p in profiles for e in p.evidence) == 1750 * 16
    assert asked < 0.3
    assert spent < 1.5  # 0.2 s on an idle machine
