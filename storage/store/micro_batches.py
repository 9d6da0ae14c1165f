"""Micro-batch commits off the hot path: collected in the event loop, appended in a thread.

One append at a time, in order of arrival; `close` commits what is left, however the run ended.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from storage.records import Record


class Appends(Protocol):
    """The part of `storage.open_store.Store` that is used."""

    def append(self, records: Sequence[Record]) -> int:
        """Acknowledge the rows."""
        ...


class Committer:
    """Collects rows and commits them every `seconds` or every `rows`."""

    def __init__(
        self,
        store: Appends,
        *,
        seconds: float,
        rows: int,
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._store = store
        self._seconds = seconds
        self._rows = rows
        self._on_error = on_error
        self._waiting: list[Record] = []
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ending = False
        self._task: asyncio.Task[None] | None = None
        self.committed = 0

    def start(self) -> None:
        """Begin to commit; needs a running event loop."""
        self._task = asyncio.create_task(self._run())

    def add(self, records: Sequence[Record]) -> None:
        """Take rows that belong together: they are committed in one transaction."""
        self._waiting.extend(records)
        if len(self._waiting) >= self._rows:
            self._full.set()
        # eight batches behind: storage no longer keeps up, and memory would grow with each answer
        if len(self._waiting) >= 8 * self._rows:
            self._room.clear()

    async def room(self) -> None:
        """Wait while storage is far behind, so that memory stays flat."""
        await self._room.wait()

    async def close(self) -> None:
        """Commit everything; raises what the last append raised."""
        self._ending = True
        self._full.set()
        if self._task is not None:
            await self._task
        await self._append_waiting()

    async def _run(self) -> None:
        while not self._ending:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._seconds)
            self._full.clear()
            try:
                await self._append_waiting()
            except Exception as error:
                # the run stops; `close` tries these rows once more, and raises if that fails too
                # a chain that waits for room must not wait for a committer that has ended
                self._room.set()
                self._on_error(error)
                return
            self._room.set()

    async def _append_waiting(self) -> None:
        # taken here, in the loop's thread: rows that arrive meanwhile go into the next batch
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            await asyncio.to_thread(self._store.append, batch)
        except BaseException:
            self._waiting = batch + self._waiting
            raise
        self.committed += len(batch)
