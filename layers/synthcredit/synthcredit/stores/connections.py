"""Several connections to one store, each putting parts of a table by itself.

A server gives each connection a processor of its own, and a bulk load keeps it busy. Files have one writer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from typing import Generic, TypeVar

from synthcredit.errors import SynthcreditError
from synthcredit.stores.address import Address, Kind
from synthcredit.stores.engines import Store, opened

log = logging.getLogger("synthcredit.stores")

MOST: dict[Kind, int] = {Kind.MYSQL: 4, Kind.POSTGRESQL: 4}
"""Connections that put rows at a time, at most; one to others. Snowflake's COPY INTO is spread by itself."""
ROWS_EACH = 50_000
"""Rows that a further connection is worth."""

T = TypeVar("T")
Work = Callable[[Store, T, Callable[[], None]], None]
"""Does one piece of work in a store; is to call the last argument now and then, which raises where all is to stop."""


class _StoppedError(Exception):
    """Another connection failed, or the user wants no more."""


class Connections:
    """A store's connections, opened as they are wanted; see `connected`."""

    def __init__(self, address: Address, first: Store, stack: ExitStack) -> None:
        self._address, self._stack = address, stack
        self._stores = [first]

    def each(self, pieces: Sequence[T], rows: int, work: Work[T]) -> None:
        """Do pieces of work, in turn or several at a time.

        Where one fails the others break off, and nothing of what they were at stays; the first error is raised.

        Parameters
        ----------
        pieces
            Taken in their order.
        rows
            Of all pieces: few are not worth another connection.
        work
            What is done with each.
        """
        stores = self._open(min(MOST.get(self._stores[0].kind, 1), len(pieces), rows // ROWS_EACH))
        if len(stores) == 1:
            for piece in pieces:
                work(stores[0], piece, lambda: None)
            return
        shared = _Shared(pieces)
        with ThreadPoolExecutor(len(stores)) as pool:
            doing = [pool.submit(shared.take_all, store, work) for store in stores]
            try:
                for done in as_completed(doing):
                    done.result()
            finally:
                shared.stopped.set()

    def _open(self, number: int) -> list[Store]:
        """Return so many connections, or as many as the server gives: at least the first."""
        while len(self._stores) < number:
            try:
                self._stores.append(self._stack.enter_context(opened(self._address)))
            except SynthcreditError:
                # A user may have a limit of connections. If the server is gone, the work will say so.
                log.info("%s: it gives %d connections", self._address.shown, len(self._stores))
                break
        return self._stores[: max(1, number)]


class _Shared(Generic[T]):
    """Pieces of work of which several connections take one after the other."""

    def __init__(self, pieces: Sequence[T]) -> None:
        self._waiting, self._taking = iter(pieces), threading.Lock()
        self.stopped = threading.Event()

    def take_all(self, store: Store, work: Work[T]) -> None:
        """Do pieces until there are no more, or all is to stop."""
        while not self.stopped.is_set():
            with self._taking:
                piece = next(self._waiting, None)
            if piece is None:
                return
            work(store, piece, self._go_on)

    def _go_on(self) -> None:
        if self.stopped.is_set():
            raise _StoppedError


@contextmanager
def connected(address: Address) -> Iterator[tuple[Store, Connections]]:
    """Open a store, and what may open more connections to it; all are closed in the end."""
    with opened(address) as store, ExitStack() as stack:
        yield store, Connections(address, store, stack)
