"""`bump-edge forget`: delete interactions, a topic, a span of time or a user, and what was derived from them."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import counted, dim, emit, emit_json, wrap
from bump_edge.errors import BumpEdgeError, UsageError

if TYPE_CHECKING:
    from bump_edge.profiler.forget import ForgetPlan, Receipt
    from bump_edge.store import Store

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


def forget(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Interactions, by (the beginnings of) their ids.")
    ] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="What the interactions are about.")] = None,
    since: Annotated[datetime | None, typer.Option("--since", formats=_FORMATS, help="From then on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option("--until", formats=_FORMATS, help="Before then (UTC).")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="The user, with all that there is.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
    block: Annotated[bool, typer.Option("--block", help="With --topic: keep it out from now on, too.")] = False,
    delete_exports: Annotated[
        bool,
        typer.Option("--delete-exports", help="Delete exports that hold some of it, where they lie."),
    ] = False,
    rewrite: Annotated[bool, typer.Option(help="Write the profile anew from what remains.")] = True,
    yes: options.Yes = False,
    model: options.Model = None,
    user: options.User = None,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Delete for good, from the history and from every version of the profile; prints a receipt."""
    from bump_edge.profiler.forget import forget as carry_out
    from bump_edge.profiler.forget import plan_forget

    session = options.Session.start(db=db, model=model, json=json, quiet=quiet)
    if block and topic is None:
        raise UsageError("--block goes with --topic: `bump-edge block` keeps anything else out")
    with session.open_store() as store:
        user_id = options.pick_user(store, user)
        plan = plan_forget(
            store, user_id, interactions=ids or (), topic=topic, since=since, until=until, everything=everything,
            embedder=session.embedder() if topic is not None else None, similarity=session.similarity,
        )  # fmt: skip
        if dry_run:
            _show(session, plan)
            return
        if not yes:
            _confirm(plan)
        if block and topic is not None:
            store.correct(user_id, "topic", topic)
        had_profile = store.standing(user_id) is not None
        receipt = carry_out(store, plan, delete_exports=delete_exports)
        if rewrite and had_profile and not everything and plan.sentences and store.count(user_id):
            receipt = _rewrite(session, store, user_id, receipt)
    _print(session, receipt)


def _rewrite(session: options.Session, store: Store, user_id: str, receipt: Receipt) -> Receipt:
    try:
        with session.profiler(store) as profiler:
            return replace(receipt, profile_version=profiler.profile(user_id).version)
    except BumpEdgeError as error:
        # what was to go is gone: that nothing new could be written is another matter
        session.note(f"the profile was not written anew: {error.message}")
        return receipt


def _confirm(plan: ForgetPlan) -> None:
    what = f"all that there is about user {plan.user_id!r}" if plan.everything else _count(plan)
    if not sys.stdin.isatty():
        raise UsageError(f"this would delete {what}: confirm with --yes, or look first with --dry-run")
    if not typer.confirm(f"delete {what}? This cannot be undone.", err=True):
        raise UsageError("nothing was deleted")


def _count(plan: ForgetPlan) -> str:
    gone = sum(map(len, plan.sentences.values()))
    went = counted(len(plan.interactions), "interaction")
    return f"{went} of user {plan.user_id!r} and {counted(gone, 'sentence')} of profiles"


def _show(session: options.Session, plan: ForgetPlan) -> None:
    if session.json:
        emit_json(plan.as_dict())
        return
    emit(f"Would delete {_count(plan)}:")
    for interaction in plan.interactions[:20]:
        emit(dim(wrap(f"{interaction.id[:8]} {interaction.as_record(max_chars=160)}", indent="  ", hanging="    ")))
    if len(plan.interactions) > 20:
        emit(dim(f"  and {len(plan.interactions) - 20} more"))
    for version, sentences in plan.sentences.items():
        for sentence in sentences:
            emit(wrap(f"version {version}: {sentence}", indent="  ", hanging="    "))


def _print(session: options.Session, receipt: Receipt) -> None:
    if session.json:
        emit_json(receipt.as_dict())
        return
    scan = receipt.scan
    went = counted(receipt.interactions, "interaction")
    emit(f"Deleted {went} and {counted(receipt.sentences, 'sentence')} of profiles.")
    emit(
        wrap(
            f"Searched {scan.bytes} bytes of {', '.join(scan.files)} for {scan.needles} pieces of what was deleted: "
            f"{scan.found or 'none'} found."
        )
    )
    if not receipt.wal_truncated:
        emit(wrap("Another process has the store open: its write-ahead log is cleared when that one closes it."))
    for path in receipt.exports_deleted:
        emit(wrap(f"Deleted the export {path}."))
    for path in receipt.exports_left:
        emit(wrap(f"The export {path} holds something of it: delete it, or forget with --delete-exports."))
    if receipt.shredded:
        emit(
            wrap("The store has a new key: no older copy of it can be read. Recovery keys are void: export a new one.")
        )
    elif receipt.shredded is False:
        emit(
            wrap(
                "Copies of the store that were made before can still be read with its key: close other programs that "
                "use it, and rotate the key (`bump-edge key rotate`)."
            )
        )
    if receipt.profile_version is not None:
        emit(f"The profile was written anew as version {receipt.profile_version}.")
    emit(dim(f"Receipt {receipt.number}, sha256 {receipt.hash[:16]}…; `bump-edge receipts` shows all."))


def receipts(db: options.Db = None, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List what was forgotten, and check that the list was not changed."""
    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store() as store:
        found = store.receipts()
    for receipt in found:
        if session.json:
            emit_json(receipt)
        else:
            clean = "nothing found" if receipt["clean"] else f"{receipt['scan']['found']} pieces found"
            emit(
                f"{receipt['number']}\t{receipt['at']}\t{counted(receipt['interactions'], 'interaction')}\t"
                f"{counted(receipt['sentences'], 'sentence')}\t{clean}\t{receipt['hash'][:16]}"
            )
    session.note(f"{counted(len(found), 'receipt')}, each follows from the one before")
