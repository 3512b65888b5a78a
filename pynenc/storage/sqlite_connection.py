"""Connections to one SQLite file: opening, reading and group commit.

Threads that write at the same time share a transaction: whoever gets the writer commits for
all that stand in line. Processes stand in line at a lock file, where the kernel wakes the
next one at once; SQLite's own busy handler would sleep and look again.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from pynenc.exceptions import StorageCorruptedError, StorageUnavailableError, ValueTooLargeError

T = TypeVar("T")
logger = logging.getLogger("pynenc.storage")

_BUSY_MS = 30_000
_CHECK_S = 1.0
_abandoned: list[object] = []
"""Connections of a parent process: closing them here would break the parent's file locks."""


class _Job(Generic[T]):
    """A piece of work for the writer, and what became of it."""

    def __init__(self, work: Callable[[sqlite3.Connection], T]) -> None:
        self.work = work
        self.done = False
        self.error: BaseException | None = None
        self.result: T | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        self.result = self.work(connection)


_OWNER_ONLY = 0o600


class SQLiteFile:
    """One database file as seen by one process."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self.path = path
        self._synchronous = synchronous
        self._pid = os.getpid()
        self._reset()

    def _reset(self) -> None:
        self._open_lock = threading.RLock()
        self._writer_lock = threading.Lock()
        self._reader_lock = threading.Lock()
        self._jobs: deque[_Job[object]] = deque()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._lock_file: int | None = None
        self._opened: tuple[int, int] | None = None
        self._check_at = 0.0

    def after_fork(self) -> None:
        """Leave the parent's connections alone and start without any."""
        _abandoned.extend((self._writer, self._reader))
        if self._lock_file is not None:
            os.close(self._lock_file)
        self._reset()

    # --- opening -----------------------------------------------------------------------

    def _open(self) -> None:
        with self._open_lock:
            if self._reader is not None:
                return
            folder = self.path.parent
            if not folder.is_dir():
                raise StorageUnavailableError(
                    f"cannot open the SQLite database '{self.path}': the folder '{folder}' does not "
                    f"exist. Create it, or set 'sqlite_db_path' to a file in an existing folder."
                )
            if self.path.is_dir():
                raise StorageUnavailableError(
                    f"cannot open the SQLite database '{self.path}': it is a folder. "
                    f"Set 'sqlite_db_path' to the path of a file."
                )
            lock_path = self.path.with_name(self.path.name + ".lock")
            with self._explained("open"):
                self._lock_file = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
                # SQLite gives the files beside it the permissions of the database.
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY))
                fcntl.flock(self._lock_file, fcntl.LOCK_EX)
                try:
                    self._writer = self._connect()
                    self._reader = self._connect()
                    self._opened = self._file_identity()
                except BaseException:
                    self._release()
                    raise
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _file_identity(self) -> tuple[int, int] | None:
        """Return what tells the file from another in its place; None if there is none."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _check_identity(self) -> None:
        """Refuse to go on with a file that is not there any more."""
        if self._file_identity() != self._opened:
            raise sqlite3.OperationalError(
                "the file was deleted or replaced while in use; put it back, or start this process anew"
            )

    def exposed(self) -> list[Path]:
        """Return the file and its folder, if everybody on this machine may write to them."""
        found: list[Path] = []
        for path in (self.path, self.path.parent):
            with contextlib.suppress(OSError):
                mode = path.stat().st_mode
                if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                    found.append(path)
        return found

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=_BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        """Turn errors of the engine and the system into ours, with what to do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StorageUnavailableError(
                f"cannot {action} the SQLite database '{self.path}': {error}. Check that the folder "
                f"exists, that this user may write to it, and that the disk has space."
            ) from error
        except sqlite3.DataError as error:
            raise ValueTooLargeError(
                f"cannot {action} the SQLite database '{self.path}': {error}. Return or pass less, or "
                f"store it elsewhere and pass on where it is."
            ) from error
        except sqlite3.DatabaseError as error:
            raise StorageCorruptedError(
                f"cannot {action} the SQLite database '{self.path}': {error}. The file is damaged or "
                f"no SQLite database: move it away (a new one is made), or set 'sqlite_db_path' to "
                f"another file."
            ) from error
        except OSError as error:
            raise StorageUnavailableError(
                f"cannot {action} the SQLite database '{self.path}': {error.strerror}. Check that "
                f"this user may write to the folder '{self.path.parent}'."
            ) from error

    # --- reading -----------------------------------------------------------------------

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query; writers do not block it."""
        if self._reader is None:
            self._open()
        with self._reader_lock, self._explained("read"):
            if self._reader is None:
                raise StorageUnavailableError(f"the SQLite database '{self.path}' was closed while in use")
            now = time.monotonic()
            if now >= self._check_at:
                self._check_identity()
                self._check_at = now + _CHECK_S
            try:
                return work(self._reader)
            except sqlite3.OperationalError as error:
                if not _is_undecodable(error):
                    raise
                self._reader.text_factory = _text_or_bytes
                return work(self._reader)

    # --- writing -----------------------------------------------------------------------

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` inside a transaction, together with what other threads wait to write.

        `work` may run twice: if the shared transaction fails, each part gets one of its own.
        """
        if self._writer is None:
            self._open()
        job = _Job(work)
        self._jobs.append(job)  # type: ignore[arg-type]
        with self._writer_lock:
            if not job.done:
                self._commit_waiting(job)  # type: ignore[arg-type]
        if job.error is not None:
            with self._explained("write to"):
                raise job.error
        return job.result  # type: ignore[return-value]

    def _commit_waiting(self, own: _Job[object]) -> None:
        jobs: list[_Job[object]] = []
        while self._jobs:
            jobs.append(self._jobs.popleft())
        try:
            self._transaction(jobs)
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for it
            if len(jobs) == 1:
                own.error = error
            else:
                for job in jobs:
                    self._alone(job)
        except BaseException:
            # This thread is interrupted; the others' work goes back in line.
            self._jobs.extendleft(job for job in reversed(jobs) if job is not own)
            raise
        for job in jobs:
            job.done = True

    def _alone(self, job: _Job[object]) -> None:
        try:
            self._transaction([job])
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for it
            job.error = error

    def _transaction(self, jobs: list[_Job[object]]) -> None:
        connection, lock_file = self._writer, self._lock_file
        if connection is None or lock_file is None:
            raise sqlite3.OperationalError("the connection was closed while it was in use")
        self._check_identity()
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        try:
            self._tolerantly(jobs, connection)
        finally:
            fcntl.flock(lock_file, fcntl.LOCK_UN)

    def _tolerantly(self, jobs: list[_Job[object]], connection: sqlite3.Connection) -> None:
        """Run jobs in a transaction; again if one of them comes upon a text that is not UTF-8."""
        try:
            _run_together(jobs, connection)
        except sqlite3.OperationalError as error:
            if not _is_undecodable(error):
                raise
            connection.text_factory = _text_or_bytes
            _run_together(jobs, connection)

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        with self._open_lock, self._writer_lock, self._reader_lock:
            self._release()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # an interpreter that ends may have taken things away already
            self._release()

    def _release(self) -> None:
        for connection in (self._writer, self._reader):
            if connection is not None:
                connection.close()
        if self._lock_file is not None:
            os.close(self._lock_file)
        self._writer = self._reader = None
        self._lock_file = None


def _run_together(jobs: list[_Job[object]], connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for job in jobs:
            job.run(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_undecodable(error: sqlite3.OperationalError) -> bool:
    return "Could not decode to UTF-8" in str(error)


def _text_or_bytes(data: bytes) -> str | bytes:
    """Return a stored text; as bytes, which no field of text may be, if somebody has stored no text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
