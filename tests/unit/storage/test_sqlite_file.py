"""The SQLite file: what is wrong with it, and what many threads and processes do to it."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import StorageCorruptedError, StorageLayoutError, StorageUnavailableError
from pynenc.invocation.status import InvocationStatus
from pynenc.storage import sqlite_connection
from pynenc.storage.operations import Insert, Table
from pynenc.storage.sqlite_storage import SQLiteStorage

TABLE = Table("t", ("value",))


def opened(path: Path) -> SQLiteStorage:
    storage = SQLiteStorage("app", path)
    storage.declare([TABLE])
    return storage


def test_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match=r"folder '.*missing' does not exist.*sqlite_db_path"):
        opened(tmp_path / "missing" / "x.db")
    assert not (tmp_path / "missing").exists()


def test_a_folder_in_place_of_the_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="it is a folder"):
        opened(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_clear_error() -> None:
    # Nobody, root included, can make files here.
    with pytest.raises(StorageUnavailableError, match="may write"):
        opened(Path("/proc/x.db"))


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_corrupted_file_is_a_clear_error_and_stays_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises(StorageCorruptedError, match="move it away"):
        opened(path)
    assert path.read_bytes() == content


def test_data_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    opened(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE pynenc_meta SET value = 99")
    connection.close()
    with pytest.raises(StorageLayoutError, match="layout 99.*Upgrade pynenc"):
        opened(path)


def test_new_fields_are_added_to_a_table_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    old = opened(path)
    old.write([Insert(TABLE, "k", {"value": 1})])
    old.close()
    wider = Table("t", ("value", "more"))
    storage = SQLiteStorage("app", path)
    storage.declare([wider])
    assert storage.read(wider, ["k"]) == [{"key": "k", "value": 1, "more": None}]
    storage.close()


def test_a_failing_write_does_not_harm_those_it_shares_a_transaction_with(tmp_path: Path) -> None:
    storage = opened(tmp_path / "x.db")
    errors: list[Exception] = []

    def write(number: int) -> None:
        value: object = object() if number % 5 == 0 else number
        try:
            storage.write([Insert(TABLE, f"k{number}", {"value": value})])  # type: ignore[dict-item]
        except Exception as error:  # noqa: BLE001 - counted below
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [record is not None for record in storage.read(TABLE, [f"k{number}" for number in range(50)])]
    assert stored == [number % 5 != 0 for number in range(50)]
    assert len(errors) == 10
    storage.close()


def test_a_forked_child_opens_its_own_connections(tmp_path: Path) -> None:
    storage = opened(tmp_path / "x.db")
    storage.write([Insert(TABLE, "parent", {"value": 1})])
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            storage.write([Insert(TABLE, "child", {"value": 2})])
            code = 0 if storage.read(TABLE, ["parent"])[0] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    storage.write([Insert(TABLE, "after", {"value": 3})])
    assert None not in storage.read(TABLE, ["parent", "child", "after"])
    storage.close()


def test_two_apps_share_a_file(tmp_path: Path) -> None:
    one, other = SQLiteStorage("a", tmp_path / "x.db"), SQLiteStorage("a/b", tmp_path / "x.db")
    for storage in (one, other):
        storage.declare([TABLE])
        storage.write([Insert(TABLE, "k", {"value": storage.app_id})])
    one.purge(tables=[TABLE])
    assert (one.read(TABLE, ["k"]), other.read(TABLE, ["k"])[0]) == ([None], {"key": "k", "value": "a/b"})
    one.close()
    other.close()


# --- the file itself -------------------------------------------------------------------


def test_its_files_belong_to_the_owner_alone(tmp_path: Path) -> None:
    app = Pynenc({"app_id": "owner", "backend": "sqlite", "sqlite_db_path": str(tmp_path / "own.db")})
    app.task(plain_tasks.add)(1, 2)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path.is_file()}
    assert set(modes.values()) == {0o600}
    assert {"own.db", "own.db-wal", "own.db.lock"} <= set(modes)
    assert app.broker.hazards() == []


def test_a_file_that_everybody_may_write_to_is_a_hazard(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    app = Pynenc({"app_id": "open", "backend": "sqlite", "sqlite_db_path": str(folder / "open.db")})
    app.broker.ping()
    (folder / "open.db").chmod(0o666)
    hazards = app.broker.hazards()
    assert [hazard.partition("'")[2].partition("'")[0] for hazard in hazards] == [
        str(folder / "open.db"),
        str(folder),
    ]


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_file_that_is_taken_away_is_noticed_at_the_next_write(tmp_path: Path, is_replaced: bool) -> None:
    path = tmp_path / "gone.db"
    app = Pynenc({"app_id": "gone", "backend": "sqlite", "sqlite_db_path": str(path)})
    add = app.task(plain_tasks.add)
    add(1, 2)
    path.rename(tmp_path / "kept.db")
    if is_replaced:
        path.touch()
    with pytest.raises(StorageUnavailableError, match="was deleted or replaced"):
        add(3, 4)
    path.unlink(missing_ok=True)
    (tmp_path / "kept.db").rename(path)
    assert add(5, 6).status == InvocationStatus.REGISTERED


@pytest.mark.parametrize("is_replaced", [True, False])
def test_whoever_only_reads_notices_it_too(
    tmp_path: Path, is_replaced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "_CHECK_S", 0.0)
    path = tmp_path / "gone.db"
    app = Pynenc({"app_id": "gone_reader", "backend": "sqlite", "sqlite_db_path": str(path)})
    add = app.task(plain_tasks.add)
    add(1, 2)
    assert app.count() == 1
    path.rename(tmp_path / "kept.db")
    if is_replaced:
        path.touch()
    for _ in range(2):
        with pytest.raises(StorageUnavailableError, match="was deleted or replaced"):
            app.count()
    path.unlink(missing_ok=True)
    (tmp_path / "kept.db").rename(path)
    assert app.count() == 1
