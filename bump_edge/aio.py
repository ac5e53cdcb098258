"""The library for asyncio: the same store and profiler, each on a thread of its own.

SQLite and the models are blocking; one thread an object keeps their calls in order and the event loop free. Cancelling
a task that waits for a profile stops the model before its next token.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

from bump_edge.backends.base import Backend
from bump_edge.pii import Detector
from bump_edge.profiler import Profiler, ProfilerOptions
from bump_edge.profiler.word import Embedder
from bump_edge.store import IngestReport, Store, UserSummary
from bump_edge.types import LOCAL_USER, HistoryStats, Interaction, Profile

P = ParamSpec("P")
T = TypeVar("T")


class _Worker:
    """One thread, on which everything of one object runs."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*args, **kwargs))

    async def run_cancellable(self, call: Callable[[threading.Event], T], event: threading.Event | None = None) -> T:
        """Run `call` with an event that is set when the awaiting task is cancelled, and wait until it has ended."""
        event = event or threading.Event()
        future = asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(event))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            event.set()
            await asyncio.gather(future, return_exceptions=True)
            raise

    def close(self) -> None:
        self._pool.shutdown(wait=True)


class AsyncStore:
    """`bump_edge.Store` for asyncio; an async context manager. Arguments and errors are those of `Store`."""

    def __init__(
        self, path: Path | str | None = None, *, timeout: float = 10.0, key: str | bytes | None = None
    ) -> None:
        self._open = lambda: Store(path, timeout=timeout, key=key)
        self._worker = _Worker("bump-edge-store")
        self._store: Store | None = None

    async def __aenter__(self) -> AsyncStore:
        self._store = await self._worker.run(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def store(self) -> Store:
        """The store itself; only usable inside ``async with``."""
        if self._store is None:
            raise RuntimeError("AsyncStore is not open: use it with `async with AsyncStore(...) as store`")
        return self._store

    async def close(self) -> None:
        """Close the store and its thread; twice is fine."""
        if self._store is not None:
            await self._worker.run(self._store.close)
            self._store = None
        self._worker.close()

    async def ingest(self, interactions: Iterable[Interaction], *, redact: bool | Detector = False) -> IngestReport:
        """See `Store.ingest`; cancelling stops between two batches."""
        return await self._worker.run_cancellable(
            lambda event: self.store.ingest(interactions, redact=redact, cancel=event)
        )

    async def ingest_file(self, source: Path | str | BinaryIO, **options: Any) -> IngestReport:
        """See `Store.ingest_file`; cancelling stops between two batches."""
        return await self._worker.run_cancellable(lambda event: self.store.ingest_file(source, cancel=event, **options))

    async def users(self) -> list[UserSummary]:
        """See `Store.users`."""
        return await self._worker.run(self.store.users)

    async def stats(self, user_id: str = LOCAL_USER) -> HistoryStats:
        """See `Store.stats`."""
        return await self._worker.run(self.store.stats, user_id)

    async def history(self, user_id: str = LOCAL_USER, *, limit: int | None = None) -> list[Interaction]:
        """See `Store.history`: the latest `limit` interactions, oldest first."""
        return await self._worker.run(self.store.history, user_id, limit=limit, newest=limit is not None)

    async def search(self, user_id: str, query: str, *, limit: int = 5) -> list[Interaction]:
        """See `Store.search`."""
        return await self._worker.run(self.store.search, user_id, query, limit=limit)

    async def profile(self, user_id: str = LOCAL_USER, version: int | None = None) -> Profile:
        """See `Store.profile`."""
        return await self._worker.run(self.store.profile, user_id, version)

    async def run(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function of the library on the store, such as `pin`, `block`, `diff` or `plan_forget`.

        Args:
            call: takes the `Store` first.
            args, kwargs: the rest.
        """
        return await self._worker.run(call, self.store, *args, **kwargs)


class AsyncProfiler:
    """`bump_edge.Profiler` for asyncio; an async context manager. Arguments and errors are those of `Profiler`."""

    def __init__(
        self,
        store: AsyncStore,
        backend: Backend | str | None = None,
        *,
        options: ProfilerOptions | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self._open = lambda: Profiler(store.store, backend, options=options, embedder=embedder)
        self._worker = _Worker("bump-edge-profiler")
        self._profiler: Profiler | None = None

    async def __aenter__(self) -> AsyncProfiler:
        self._profiler = await self._worker.run(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Free the model if the profiler opened it, and end the thread; twice is fine."""
        if self._profiler is not None:
            await self._worker.run(self._profiler.close)
            self._profiler = None
        self._worker.close()

    async def profile(self, user_id: str = LOCAL_USER, *, force: bool = False) -> Profile:
        """See `Profiler.profile`; cancelling the task stops the model and stores nothing."""
        profiler = self._opened()
        return await self._worker.run_cancellable(lambda event: profiler.profile(user_id, force=force, cancel=event))

    async def profile_many(self, user_ids: Iterable[str], *, force: bool = False) -> AsyncIterator[Profile]:
        """See `Profiler.profile_many`."""
        profiler = self._opened()
        event = threading.Event()
        profiles = profiler.profile_many(user_ids, force=force, cancel=event)
        while True:
            profile = await self._worker.run_cancellable(lambda _: next(profiles, None), event)
            if profile is None:
                return
            yield profile

    def _opened(self) -> Profiler:
        if self._profiler is None:
            raise RuntimeError("AsyncProfiler is not open: use it with `async with AsyncProfiler(...) as profiler`")
        return self._profiler
