"""The audit and the policy, through the library and through real processes of the command line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bump_edge import PolicyError, ReleasePolicy, Store, UsageError, build_messages, pin
from bump_edge.audit import audit, permit_export, release
from bump_edge.settings import load
from tests.cli.run import error, lines, run

COPIED = "keeps the old brass kettle that her grandmother brought from Trieste"
MAIL = "nora.winter@example.org"
LEAKS = {
    "clean": "Drinks green tea.",
    "copied": f"Drinks tea and {COPIED}.",
    "personal": f"Drinks tea; writes as {MAIL}.",
}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """One user a leak, each with a profile that has it."""
    path = tmp_path / "s.db"
    rows = [b'{"user_id": "%s", "item": "green tea", "text": "She %s."}' % (u.encode(), COPIED.encode()) for u in LEAKS]
    with Store(path) as store:
        store.ingest_file(io.BytesIO(b"\n".join(rows)), format="jsonl")
        for user, text in LEAKS.items():
            (seen,) = store.history(user)
            store.save_profile(
                user_id=user, text=text, model="m", language="en", evidence=[(text, [seen.id])],
                manifest={"history": {"selected": 1, "interactions": 1}, "checks": {"dropped": {}}}, recipe="r",
                revision=1,
            )  # fmt: skip
    return path


def test_the_audit_says_what_and_where(db: Path) -> None:
    with Store(db) as store:
        clean, copied, personal = (audit(store, user) for user in LEAKS)
    assert (clean.verbatim.words, clean.verbatim.item_words, clean.pii) == (0, 2, ())
    assert copied.verbatim.words == 11
    (found,) = personal.pii
    assert (found.kind, LEAKS["personal"][found.start : found.end]) == ("email", MAIL)
    assert MAIL not in str(personal.as_dict())


def test_release_refuses_and_says_no_secret(db: Path) -> None:
    with Store(db) as store:
        copied, personal, clean = (store.profile(u) for u in ("copied", "personal", "clean"))
        assert release(store, copied, ReleasePolicy()) is None
        assert release(store, copied, ReleasePolicy(max_verbatim=11, no_pii=True)) is not None
        assert release(store, clean, ReleasePolicy(max_verbatim=0, no_pii=True)) is not None
        for profile, policy, secret in (
            (copied, ReleasePolicy(max_verbatim=10), "grandmother"),
            (personal, ReleasePolicy(no_pii=True), MAIL),
        ):
            with pytest.raises(PolicyError) as refused:
                release(store, profile, policy)
            assert secret not in str(refused.value.as_dict())
    with pytest.raises(UsageError):
        ReleasePolicy(max_verbatim=-1)


def test_messages_for_a_model_are_held_to_the_policy(db: Path) -> None:
    words, personal = ReleasePolicy(max_verbatim=3), ReleasePolicy(no_pii=True)
    with Store(db) as store:
        assert LEAKS["clean"] in build_messages(store, "hi", user_id="clean", policy=words)[0]["content"]
        build_messages(store, "hi", user_id="copied", mode="none", policy=words)
        for user, mode, policy in (
            ("copied", "profile", words),
            ("personal", "profile", personal),
            ("clean", "history", words),
            ("clean", "profile+retrieved", words),
        ):
            with pytest.raises(PolicyError):
                build_messages(store, "tea", user_id=user, mode=mode, policy=policy)  # type: ignore[arg-type]
        build_messages(store, "tea", user_id="clean", mode="profile+retrieved", policy=personal)


def test_an_export_holds_only_what_was_audited(db: Path, tmp_path: Path) -> None:
    policy = ReleasePolicy(max_verbatim=3, no_pii=True)
    with Store(db) as store:
        with pytest.raises(PolicyError):
            permit_export(store, None, policy)
        with pytest.raises(PolicyError):
            permit_export(store, ["clean"], policy, histories=True)
        permitted = permit_export(store, ["clean"], policy)
        pin(store, "clean", f"Is {MAIL}.")  # after the audit
        with pytest.raises(PolicyError):
            store.export_file(tmp_path / "out", user_ids=["clean"], histories=False, permitted=permitted)
        assert not (tmp_path / "out").exists()
        with pytest.raises(PolicyError):
            permit_export(store, ["clean"], policy)


@pytest.mark.parametrize("command", [["show"], ["profile"], ["prompt", "tea?"], ["export", "-", "--no-histories"]])
@pytest.mark.parametrize(("user", "flag"), [("copied", ["--max-verbatim", "7"]), ("personal", ["--no-pii"])])
def test_the_commands_that_hand_a_profile_out_refuse_with_7(
    tmp_path: Path, db: Path, command: list[str], user: str, flag: list[str]
) -> None:
    if command == ["profile"]:
        # what is up to date is not written anew: the stored text of another recipe would be
        with Store(db) as store:
            pin(store, user, LEAKS[user])
    secret = {"copied": b"grandmother", "personal": MAIL.encode()}[user]
    arguments = [*command, "--user", user, "--db", str(db)]
    freely = run(tmp_path, *arguments)
    assert freely.returncode == 0, freely.stderr
    assert secret in freely.stdout
    refused = run(tmp_path, *arguments, *flag)
    assert refused.returncode == 7
    assert secret not in refused.stdout + refused.stderr
    assert refused.stderr.startswith(b"error: ")
    as_json = run(tmp_path, *arguments, *flag, BUMP_EDGE_JSON="1")
    assert (as_json.returncode, error(as_json)["code"]) == (7, "policy")


def test_the_environment_and_the_config_file_set_a_policy(tmp_path: Path, db: Path) -> None:
    show = ("show", "--user", "copied", "--db", db)
    assert run(tmp_path, *show, BUMP_EDGE_MAX_VERBATIM="7").returncode == 7
    assert run(tmp_path, *show, "--max-verbatim", "20", BUMP_EDGE_MAX_VERBATIM="7").returncode == 0
    assert run(tmp_path, *show, BUMP_EDGE_MAX_VERBATIM="few").returncode == 2
    (tmp_path / "config.toml").write_text("no_pii = true\nmax_verbatim = 7\n")
    assert run(tmp_path, *show).returncode == 7
    given = load(environment={"BUMP_EDGE_HOME": str(tmp_path)})
    assert given.policy == ReleasePolicy(max_verbatim=7, no_pii=True)
    (tmp_path / "config.toml").write_text("max_verbatim = true\n")
    assert run(tmp_path, *show).returncode == 2


def test_under_a_policy_evidence_leaves_as_ids_and_every_clean_profile_is_printed(tmp_path: Path, db: Path) -> None:
    done = run(tmp_path, "show", "--user", "clean", "--max-verbatim", "5", "--json", "--db", db)
    assert b"grandmother" not in done.stdout
    (shown,) = lines(done)
    assert set(shown["evidence"][0]["interactions"][0]) == {"id"}
    with Store(db) as store:
        for user in LEAKS:
            pin(store, user, LEAKS[user])
    done = run(tmp_path, "profile", "--max-verbatim", "7", "--no-pii", "--json", "--db", db)
    assert done.returncode == 7
    assert [p["user_id"] for p in lines(done)] == ["clean"]


def test_the_command_audit(tmp_path: Path, db: Path) -> None:
    reports = lines(run(tmp_path, "audit", "--all", "--json", "--db", db))
    assert [r["user_id"] for r in reports] == list(LEAKS)
    assert [r["verbatim"]["words"] for r in reports] == [0, 11, 0]
    assert [[f["kind"] for f in r["pii"]] for r in reports] == [[], [], ["email"]]
    text = run(tmp_path, "audit", "--user", "copied", "--db", db).stdout.decode()
    assert "longest run of a raw record: 11 words" in text
    assert MAIL in run(tmp_path, "audit", "--user", "personal", "--db", db).stdout.decode()
