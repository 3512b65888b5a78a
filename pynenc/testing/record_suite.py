"""The promises of a storage driver about records and blobs."""

from __future__ import annotations

import threading

import pytest

from pynenc.exceptions import StorageError
from pynenc.storage.base_storage import Storage, cursor_of, find_all
from pynenc.storage.operations import (
    KEY,
    Delete,
    Index,
    Insert,
    Operation,
    Patch,
    Query,
    Read,
    Record,
    Scalar,
)
from pynenc.testing.promises import check
from pynenc.testing.storage_fixtures import (
    BY_KIND,
    BY_OTHER,
    BY_TIME,
    TABLE,
    MakeStorage,
    StorageFixtures,
    in_processes,
    insert_many,
)

_ODD_VALUES: list[Scalar] = [
    "",
    " ",
    "ünï©ødé \U0001f600",
    "line\nbreak\\n \\ tab\t",
    "0",
    "1.0",
    "null",
    0,
    -1,
    2**53,
    0.1,
    -1.5e300,
    1e16,
    5e-324,
    b"",
    b"\x00\xff\n",
    None,
]


def _count_up(storage: Storage, times: int) -> None:
    """Raise a number by compare and set, as often as asked."""
    done = 0
    while done < times:
        (record,) = storage.read(TABLE, ["counter"])
        assert record is not None
        value = record["value"]
        assert isinstance(value, int)
        patch = Patch(TABLE, "counter", {"value": value + 1}, {"value": value}, {"log": str(value)})
        done += storage.write([patch])[0].applied


def _count_up_in_process(make_storage: MakeStorage, app_id: str, times: int, number: int) -> None:
    storage = make_storage(app_id)
    storage.declare([TABLE])
    _count_up(storage, times)
    storage.close()


class RecordSuite(StorageFixtures):
    """Records: guarded writes, reads, indexes, pages; and blobs."""

    # --- writes ------------------------------------------------------------------------

    def test_insert_is_only_for_absent_keys(self, storage: Storage) -> None:
        first, second = storage.write([Insert(TABLE, "k", {"value": 1}), Insert(TABLE, "k", {"value": 2})])
        assert first.applied
        assert (second.applied, second.current) == (False, {})
        assert storage.read(TABLE, ["k"])[0]["value"] == 1  # type: ignore[index]

    def test_patch_sets_only_what_it_names(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {"kind": "a", "value": 1, "other": "x"})])
        assert storage.write([Patch(TABLE, "k", {"value": 2})])[0].applied
        record = storage.read(TABLE, ["k"])[0]
        assert record is not None
        assert (record["kind"], record["value"], record["other"]) == ("a", 2, "x")

    def test_a_guard_that_fails_tells_what_is_there(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {"kind": "a", "value": 1})])
        (outcome,) = storage.write([Patch(TABLE, "k", {"value": 9}, {"kind": "a", "value": 2})])
        assert (outcome.applied, outcome.current) == (False, {"kind": "a", "value": 1})
        assert storage.read(TABLE, ["k"])[0]["value"] == 1  # type: ignore[index]

    def test_patching_and_deleting_what_is_absent_does_nothing(self, storage: Storage) -> None:
        outcomes = storage.write([Patch(TABLE, "no", {"value": 1}), Delete(TABLE, "no")])
        assert [(outcome.applied, outcome.current) for outcome in outcomes] == [(False, None)] * 2
        assert storage.read(TABLE, ["no"]) == [None]

    def test_a_guard_can_ask_for_none(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {"value": None})])
        assert storage.write([Patch(TABLE, "k", {"value": 1}, {"value": None})])[0].applied
        assert not storage.write([Patch(TABLE, "k", {"value": 2}, {"value": None})])[0].applied
        assert storage.write([Patch(TABLE, "k", {"value": None}, {"value": 1})])[0].applied
        assert storage.read(TABLE, ["k"])[0]["value"] is None  # type: ignore[index]

    def test_delete_keeps_to_its_guard(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {"value": 1})])
        (refused,) = storage.write([Delete(TABLE, "k", {"value": 2})])
        assert (refused.applied, refused.current) == (False, {"value": 1})
        assert storage.write([Delete(TABLE, "k", {"value": 1})])[0].applied
        assert storage.read(TABLE, ["k"]) == [None]
        assert storage.count(Query(TABLE, BY_TIME)) == 0

    def test_append_only_fields_grow_in_order(self, storage: Storage) -> None:
        entries = ["first", "", "two\nlines", "back\\slash \\n", "ünï"]
        storage.write([Insert(TABLE, "k", {}, {"log": entries[0]})])
        storage.write([Patch(TABLE, "k", {}, {}, {"log": entry}) for entry in entries[1:]])
        assert storage.read(TABLE, ["k"])[0]["log"] == tuple(entries)  # type: ignore[index]

    def test_a_refused_patch_appends_nothing(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {"value": 1}, {"log": "a"})])
        storage.write([Patch(TABLE, "k", {}, {"value": 2}, {"log": "b"})])
        assert storage.read(TABLE, ["k"])[0]["log"] == ("a",)  # type: ignore[index]

    @pytest.mark.parametrize("value", _ODD_VALUES, ids=repr)
    def test_values_come_back_as_they_were(self, storage: Storage, value: Scalar) -> None:
        storage.write([Insert(TABLE, "k", {"value": value})])
        record = storage.read(TABLE, ["k"])[0]
        assert record is not None
        assert record["value"] == value
        assert type(record["value"]) is type(value)
        assert storage.write([Patch(TABLE, "k", {"other": 1}, {"value": value})])[0].applied

    @pytest.mark.parametrize("key", ["a b", "a:b", "a/b", "ünï", '"quoted"', "{curly}", "x" * 200, "%s;--"])
    def test_keys_may_be_odd(self, storage: Storage, key: str) -> None:
        storage.write([Insert(TABLE, key, {"kind": key, "at": 1.0})])
        assert storage.read(TABLE, [key])[0][KEY] == key  # type: ignore[index]
        assert [record[KEY] for record in storage.find(Query(TABLE, BY_KIND, (key,)), 5)] == [key]

    def test_large_values_fit(self, storage: Storage) -> None:
        text = "0123456789" * 500_000
        storage.write([Insert(TABLE, "k", {"value": text})])
        assert storage.read(TABLE, ["k"])[0]["value"] == text  # type: ignore[index]

    def test_operations_of_one_call_see_each_other_in_order(self, storage: Storage) -> None:
        operations: list[Operation] = [
            Insert(TABLE, "k", {"value": 1}),
            Read(TABLE, ("k", "no")),
            Patch(TABLE, "k", {"value": 2}, {"value": 1}),
            Patch(TABLE, "k", {"value": 3}, {"value": 2}),
            Read(TABLE, ("k",), ("value",)),
        ]
        replies = storage.execute(operations)
        before, after = replies[1], replies[4]
        assert isinstance(before, list)
        assert isinstance(after, list)
        assert [record and record["value"] for record in before] == [1, None]
        assert after == [{KEY: "k", "value": 3}]

    def test_a_batch_of_guarded_deletes_tells_the_outcome_of_each(self, storage: Storage) -> None:
        keys = insert_many(storage, 30)
        storage.write([Patch(TABLE, key, {"value": at % 3}) for at, key in enumerate(keys)])
        deletes = [Delete(TABLE, key, {"value": 1}) for key in keys]
        twice = Delete(TABLE, keys[0], {"value": 0})
        outcomes = storage.write([*deletes, Delete(TABLE, "no", {"value": 1})])
        assert [outcome.applied for outcome in outcomes] == [*(at % 3 == 1 for at in range(30)), False]
        assert outcomes[0].current == {"value": 0}
        assert outcomes[-1].current is None
        assert [outcome.applied for outcome in storage.write([twice, deletes[1], twice])] == [
            True,
            False,
            False,
        ]
        left = storage.read(TABLE, keys)
        assert [record is not None for record in left] == [at % 3 != 1 and at > 0 for at in range(30)]
        assert left[2] == {**(left[2] or {}), "value": 2}

    # --- reads -------------------------------------------------------------------------

    def test_read_keeps_the_order_of_the_keys(self, storage: Storage) -> None:
        keys = insert_many(storage, 1200)
        wanted = [*reversed(keys), "no", keys[0]]
        records = storage.read(TABLE, wanted)
        assert [record and record[KEY] for record in records] == [*reversed(keys), None, keys[0]]

    def test_fields_never_written_have_a_rest_value(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {})])
        record = storage.read(TABLE, ["k"])[0]
        assert record == {KEY: "k", "kind": None, "at": 0.0, "value": None, "other": None, "log": ()}

    def test_find_gives_the_order_of_the_index(self, storage: Storage) -> None:
        storage.write(
            [Insert(TABLE, key, {"kind": "a", "at": at}) for key, at in [("x", 3.0), ("y", 1.0), ("z", 2.0)]]
        )
        storage.write([Insert(TABLE, "other", {"kind": "b", "at": 0.5})])
        assert _keys(storage.find(Query(TABLE, BY_KIND, ("a",)), 10)) == ["y", "z", "x"]
        assert _keys(storage.find(Query(TABLE, BY_KIND, ("a",), descending=True), 10)) == ["x", "z", "y"]
        assert _keys(storage.find(Query(TABLE, BY_TIME), 10)) == ["other", "y", "z", "x"]

    def test_find_keeps_to_its_range(self, storage: Storage) -> None:
        keys = insert_many(storage, 10)
        query = Query(TABLE, BY_KIND, ("a",), low=2.0, high=5.0)
        assert _keys(storage.find(query, 10)) == keys[2:5]
        assert storage.count(query) == 3
        assert storage.count(Query(TABLE, BY_KIND, ("nobody",))) == 0

    @pytest.mark.parametrize("descending", [False, True])
    def test_pages_give_each_record_once_even_with_equal_order(
        self, storage: Storage, descending: bool
    ) -> None:
        keys = insert_many(storage, 57, step=0.0)
        query = Query(TABLE, BY_KIND, ("a",), descending=descending, fields=("at",))
        found = [record[KEY] for record in find_all(storage, query, page=10)]
        assert found == (sorted(keys, reverse=True) if descending else sorted(keys))

    @pytest.mark.parametrize("descending", [False, True])
    def test_equal_order_goes_by_the_bytes_of_the_key(self, storage: Storage, descending: bool) -> None:
        keys = [" ", "10", "2", "A", "B", "Z", "_", "a", "b", "z", "~", "é", "ü", "\U0001f600", "a-b", "ab"]
        storage.write([Insert(TABLE, key, {"kind": "a", "at": 1.0}) for key in keys])
        query = Query(TABLE, BY_KIND, ("a",), descending=descending)
        found = [record[KEY] for record in find_all(storage, query, page=4)]
        expected = sorted(keys, key=str.encode, reverse=descending)
        check(
            found == expected,
            "records with an equal order come by their keys, in the order of the keys' UTF-8 bytes",
            f"insert records with the keys {expected}; find them page by page"
            + (", descending" if descending else ""),
            found,
            "the collation of the key's column, and that of the comparison with a cursor",
        )

    def test_a_page_goes_on_behind_its_cursor_while_records_come_and_go(self, storage: Storage) -> None:
        keys = insert_many(storage, 20)
        query = Query(TABLE, BY_KIND, ("a",))
        page = storage.find(query, 10)
        storage.write([Delete(TABLE, keys[9]), Insert(TABLE, "before", {"kind": "a", "at": 0.5})])
        assert _keys(storage.find(query, 20, cursor_of(query, page[-1]))) == keys[10:]

    def test_an_index_follows_changes(self, storage: Storage) -> None:
        insert_many(storage, 3)
        storage.write([Patch(TABLE, "k00001", {"kind": "b", "at": 9.0})])
        assert _keys(storage.find(Query(TABLE, BY_KIND, ("a",)), 5)) == ["k00000", "k00002"]
        assert _keys(storage.find(Query(TABLE, BY_KIND, ("b",)), 5)) == ["k00001"]
        assert _keys(storage.find(Query(TABLE, BY_TIME), 5))[-1] == "k00001"

    def test_a_sparse_index_finds_what_has_a_value(self, storage: Storage) -> None:
        insert_many(storage, 4)
        query = Query(TABLE, BY_OTHER, ("x",))
        storage.write([Insert(TABLE, "with", {"kind": "b", "at": 9.0, "other": "x"})])
        storage.write([Patch(TABLE, "k00002", {"other": "x"}), Patch(TABLE, "k00001", {"other": "y"})])
        assert (_keys(storage.find(query, 5)), storage.count(query)) == (["k00002", "with"], 2)
        storage.write([Patch(TABLE, "k00002", {"other": None}), Patch(TABLE, "k00001", {"other": "x"})])
        assert (_keys(storage.find(query, 5)), storage.count(query)) == (["k00001", "with"], 2)
        storage.write([Patch(TABLE, "k00001", {"at": 10.0}), Patch(TABLE, "k00003", {"at": 10.0})])
        assert _keys(storage.find(query, 1, cursor_of(query, storage.find(query, 1)[0]))) == ["k00001"]
        storage.write([Delete(TABLE, "with"), Delete(TABLE, "k00000")])
        assert (_keys(storage.find(query, 5)), storage.count(query)) == (["k00001"], 1)

    def test_counts_stop_at_their_limit(self, storage: Storage) -> None:
        insert_many(storage, 7)
        queries = [
            Query(TABLE, BY_KIND, ("a",)),
            Query(TABLE, BY_TIME, (), 5.0),
            Query(TABLE, BY_OTHER, ("x",)),
        ]
        assert storage.count_many(queries) == [7, 2, 0]
        assert storage.count_many(queries, 5) == [5, 2, 0]
        assert storage.count_many([], 5) == []

    def test_an_index_that_was_not_declared_is_refused(self, storage: Storage) -> None:
        with pytest.raises(StorageError, match="declares no index"):
            storage.find(Query(TABLE, Index(("value",), "at"), (1,)), 5)
        with pytest.raises(StorageError, match="needs 1 values"):
            storage.count(Query(TABLE, BY_KIND))

    # --- many at once ------------------------------------------------------------------

    def test_threads_lose_no_update(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "counter", {"value": 0})])
        threads = [threading.Thread(target=_count_up, args=(storage, 25)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._assert_counted(storage, 200)

    def test_processes_lose_no_update(self, make_storage: MakeStorage, storage: Storage, app_id: str) -> None:
        if not self.many_processes:
            return
        storage.write([Insert(TABLE, "counter", {"value": 0})])
        in_processes(4, _count_up_in_process, make_storage, app_id, 25)
        self._assert_counted(storage, 100)

    @staticmethod
    def _assert_counted(storage: Storage, count: int) -> None:
        (record,) = storage.read(TABLE, ["counter"])
        assert record is not None
        assert record["value"] == count
        assert record["log"] == tuple(str(value) for value in range(count))

    # --- blobs -------------------------------------------------------------------------

    def test_blobs_come_back(self, storage: Storage) -> None:
        storage.blob_put({"a": b"\x00one", "b": b""})
        assert storage.blob_get(["b", "no", "a"]) == [b"", None, b"\x00one"]

    def test_a_blob_is_stored_once(self, storage: Storage) -> None:
        storage.blob_put({"a": b"first"})
        storage.blob_put({"a": b"second"})
        assert storage.blob_get(["a"]) == [b"first"]

    def test_blobs_are_deleted(self, storage: Storage) -> None:
        storage.blob_put({"a": b"1", "b": b"2"})
        storage.blob_delete(["a", "no"])
        assert storage.blob_get(["a", "b"]) == [None, b"2"]

    def test_a_blob_of_twenty_megabytes_fits(self, storage: Storage) -> None:
        blob = bytes(range(256)) * (80 * 1024)
        storage.blob_put({"big": blob})
        assert storage.blob_get(["big"]) == [blob]

    # --- the engine --------------------------------------------------------------------

    def test_apps_do_not_see_each_other(
        self, make_storage: MakeStorage, storage: Storage, app_id: str
    ) -> None:
        other = make_storage(f"{app_id}/x")
        other.declare([TABLE])
        for each, value in ((storage, 1), (other, 2)):
            each.write([Insert(TABLE, "k", {"kind": "a", "value": value})])
            each.blob_put({"b": str(value).encode()})
        storage.purge(tables=[TABLE], queues=True, blobs=True)
        assert storage.read(TABLE, ["k"]) == [None]
        assert storage.blob_get(["b"]) == [None]
        assert other.read(TABLE, ["k"])[0]["value"] == 2  # type: ignore[index]
        assert other.blob_get(["b"]) == [b"2"]
        other.purge(tables=[TABLE], queues=True, blobs=True)
        other.close()

    def test_a_purge_takes_only_what_it_names(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {})])
        storage.blob_put({"b": b"1"})
        storage.purge(queues=True)
        assert storage.read(TABLE, ["k"]) != [None]
        storage.purge(tables=[TABLE])
        assert storage.read(TABLE, ["k"]) == [None]
        assert storage.blob_get(["b"]) == [b"1"]

    def test_ping_names_the_engine(self, storage: Storage) -> None:
        info = storage.ping()
        assert info.engine
        assert info.version
        assert info.layout >= 1

    def test_a_closed_storage_opens_again(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {"value": 1})])
        storage.close()
        assert storage.read(TABLE, ["k"])[0]["value"] == 1  # type: ignore[index]


def _keys(records: list[Record]) -> list[object]:
    return [record[KEY] for record in records]
