"""The options that commands share, and the session they open: settings, store, and what may be printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bump_edge.errors import NotFoundError, UsageError
from bump_edge.settings import ReleasePolicy, Settings, load

if TYPE_CHECKING:
    from bump_edge.backends.base import Backend
    from bump_edge.encoder import OnnxEncoder
    from bump_edge.pii import Detector
    from bump_edge.profiler import Profiler
    from bump_edge.store import Store

Db = Annotated[Path | None, typer.Option("--db", metavar="FILE", help="The store. Environment: BUMP_EDGE_DB.")]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="The user; by default the only or local one.")]
Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="A model's name or path. Environment: BUMP_EDGE_MODEL.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout. Environment: BUMP_EDGE_JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")]
MaxVerbatim = Annotated[
    int | None,
    typer.Option(
        "--max-verbatim",
        metavar="N",
        help="Refuse (exit code 7) a profile that shares more than N words in a row with a raw record.",
    ),
]
NoPii = Annotated[bool, typer.Option("--no-pii", help="Refuse (exit code 7) to hand out personal data.")]
Presidio = Annotated[
    bool, typer.Option("--presidio", help="Let Microsoft Presidio look for personal data too; needs the extra pii.")
]
Redact = Annotated[
    bool, typer.Option("--redact", help="Replace personal data by placeholders before anything is stored.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One run of a command."""

    settings: Settings
    quiet: bool

    @classmethod
    def start(
        cls,
        *,
        db: Path | None = None,
        model: str | None = None,
        json: bool = False,
        quiet: bool = False,
        max_verbatim: int | None = None,
        no_pii: bool = False,
    ) -> Session:
        """Resolve the settings from flags, environment and config file."""
        settings = load(db=db, model=model, json=json or None, max_verbatim=max_verbatim, no_pii=no_pii or None)
        return cls(settings=settings, quiet=quiet)

    @property
    def json(self) -> bool:
        """Whether to print JSON."""
        return self.settings.json

    @property
    def policy(self) -> ReleasePolicy:
        """What a profile that leaves must not hold."""
        return self.settings.policy

    def open_store(self, *, create: bool = False) -> Store:
        """Open the store.

        Args:
            create: make it if there is none.

        Raises:
            NotFoundError: there is no store and `create` is false.
            StoreError: it cannot be opened.
        """
        from bump_edge.store import Store

        path = self.settings.db
        if not create and not path.exists():
            raise NotFoundError(
                f"there is no store at {path}: ingest a history first, or name another with --db",
                details={"path": str(path)},
            )
        return Store(path)

    def embedder(self) -> OnnxEncoder | None:
        """The sentence encoder of the settings; None where they name none. It is loaded when there is a topic to see.

        Raises:
            ModelError: there is no such encoder, or it is another kind of model.
        """
        if self.settings.embedder is None:
            return None
        from bump_edge.encoder import open_encoder

        return open_encoder(self.settings.embedder, self.settings)

    @property
    def similarity(self) -> float:
        """Cosine from which on a text is about a topic, with an embedder."""
        from bump_edge.profiler.options import SIMILARITY

        return SIMILARITY if self.settings.similarity is None else self.settings.similarity

    def profiler(self, store: Store) -> Profiler:
        """A profiler of `store`, with the model and the embedder of the settings.

        Raises:
            ModelError: the model or the embedder does not exist or does not open.
        """
        from bump_edge.profiler import Profiler, ProfilerOptions

        profiler = Profiler(
            store,
            self.settings.model,
            options=ProfilerOptions(similarity=self.similarity),
            embedder=self.embedder(),
        )
        self.note_stand_in(profiler.backend)
        return profiler

    def note_stand_in(self, backend: Backend) -> None:
        """Say that the extractive backend writes because the bundled model does not open, if that is so."""
        from bump_edge.models.stand_in import StandIn

        if isinstance(backend, StandIn):
            self.note(str(backend))

    def note(self, message: str) -> None:
        """Say something on stderr, unless quiet."""
        if not self.quiet:
            typer.echo(message, err=True)


def detector(presidio: bool) -> Detector | None:
    """Presidio, where it is wanted.

    Raises:
        BackendUnavailableError: it is not installed.
    """
    if not presidio:
        return None
    from bump_edge.pii.presidio import PresidioDetector

    return PresidioDetector()


def pick_user(store: Store, user: str | None) -> str:
    """The user that a command is about: the one named, else the local one, else the only one.

    Raises:
        NotFoundError: no such user, or an empty store.
        UsageError: several users and none named.
    """
    from bump_edge.types import LOCAL_USER

    if user is not None:
        if not store.has_user(user):
            raise NotFoundError(
                f"there is no user {user!r} in {store.path}: `bump-edge list` shows who is", details={"user_id": user}
            )
        return user
    if store.has_user(LOCAL_USER):
        return LOCAL_USER
    users = [u.user_id for u in store.users()]
    if not users:
        raise NotFoundError(f"the store {store.path} is empty: ingest a history first")
    if len(users) > 1:
        raise UsageError(
            f"the store holds {len(users)} users: name one with --user (`bump-edge list` shows them)",
            details={"users": users[:20]},
        )
    return users[0]


def parse_mapping(pairs: list[str] | None) -> dict[str, str] | None:
    """`["text=body"]` → `{"text": "body"}`.

    Raises:
        UsageError: an entry without ``=``, or a field that an interaction does not have.
    """
    if not pairs:
        return None
    fields = ("user_id", "timestamp", "type", "text", "item", "rating", "meta")
    mapping: dict[str, str] = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not equals or not theirs or ours not in fields:
            raise UsageError(
                f"--map got {pair!r}: expected OURS=THEIRS with OURS one of {', '.join(fields)}, for example text=body",
                details={"option": "map"},
            )
        mapping[ours] = theirs
    return mapping
