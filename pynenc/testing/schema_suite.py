"""The promises of a storage driver about tables of yesterday, odd names and groups of operations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pynenc.exceptions import StorageError
from pynenc.storage.base_storage import Storage
from pynenc.storage.operations import (
    Ack,
    Delete,
    Index,
    Insert,
    Patch,
    Push,
    Query,
    QueueDepth,
    QueueItem,
    Read,
    Table,
)
from pynenc.testing.promises import check
from pynenc.testing.storage_fixtures import BY_KIND, TABLE, MakeStorage, StorageFixtures

_BY_TIME, _BY_KIND, _BY_OWNER = Index((), "at"), Index(("kind",), "at"), Index(("owner",), "at", True)
_BEFORE = Table("kit_grows", ("kind", "at"), (_BY_TIME,))
_AFTER = Table("kit_grows", ("kind", "at", "owner", "rank"), (_BY_TIME, _BY_KIND, _BY_OWNER), ("log",))
_LEASE_S = 60.0
_ODD_TEXTS = ("nul\x00inside", "\x00", "x" * 3000, "ü" * 2000, "{a}:b|c", "a\nb", " ", "'; --", "\U0001f600")


class SchemaSuite(StorageFixtures):
    """Tables that grow, odd texts, and groups that are carried out in order."""

    # --- tables of yesterday -----------------------------------------------------------

    @pytest.fixture
    def grown(self, make_storage: MakeStorage, storage: Storage, app_id: str) -> Iterator[Storage]:
        """A second storage of the app, whose table has got fields and indexes, over what the first wrote."""
        storage.declare([_BEFORE])
        old = (("old1", 1.0), ("old2", 2.0))
        storage.write([Insert(_BEFORE, key, {"kind": "a", "at": at}) for key, at in old])
        later = make_storage(app_id) if self.many_processes else storage
        later.declare([_AFTER])
        yield later
        later.purge(tables=[_AFTER], queues=True, blobs=True)
        later.close()

    def test_a_new_field_of_a_known_table_is_there(self, grown: Storage) -> None:
        promise = "declare() adds the new fields of a table that an earlier version has made"
        (old,) = grown.read(_AFTER, ["old1"])
        grown.write([Patch(_AFTER, "old1", {"owner": "me", "rank": 3}, {}, {"log": "first"})])
        (new,) = grown.read(_AFTER, ["old1"])
        done = "declare(table), insert; declare(the table with more fields), read, patch the new fields, read"
        look = "what `declare` does for a table that exists"
        expected = {"key": "old1", "kind": "a", "at": 1.0, "owner": None, "rank": None, "log": ()}
        check(old == expected, promise, done, old, look)
        check(new == {**expected, "owner": "me", "rank": 3, "log": ("first",)}, promise, done, new, look)

    def test_a_new_index_of_a_known_table_finds_what_is_old(self, grown: Storage) -> None:
        promise = "declare() makes the new indexes of a known table, and they find records of before"
        grown.write([Insert(_AFTER, "new", {"kind": "a", "at": 3.0, "owner": "me"})])
        grown.write([Patch(_AFTER, "old2", {"owner": "me"})])
        found = [record["key"] for record in grown.find(Query(_AFTER, _BY_KIND, ("a",)), 10)]
        owned = [record["key"] for record in grown.find(Query(_AFTER, _BY_OWNER, ("me",)), 10)]
        done = "declare(table), insert; declare(the table with more indexes), insert, find by a new index"
        look = "what `declare` does for a table that exists"
        check(found == ["old1", "old2", "new"], promise, done, found, look)
        check(owned == ["old2", "new"], promise, done, owned, look)

    def test_declaring_again_changes_nothing(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {"kind": "a", "at": 1.0})])
        storage.declare([TABLE, TABLE])
        found = storage.find(Query(TABLE, BY_KIND, ("a",)), 5)
        done = "declare(table), insert, declare(table) twice, find"
        check(len(found) == 1, "declaring a table again is harmless", done, found, "`declare`")

    # --- texts -------------------------------------------------------------------------

    @pytest.mark.parametrize("text", _ODD_TEXTS, ids=ascii)
    def test_any_text_is_kept_as_a_value(self, storage: Storage, text: str) -> None:
        storage.write([Insert(TABLE, "k", {"value": text}, {"log": text})])
        (record,) = storage.read(TABLE, ["k"])
        check(
            record is not None and (record["value"], record["log"]) == (text, (text,)),
            "a field holds any text, also NUL and long ones, as does an append-only one",
            f"insert a record with {ascii(text)[:60]}, read it",
            record,
            "how values are written",
        )

    @pytest.mark.parametrize("text", _ODD_TEXTS, ids=ascii)
    def test_a_text_is_indexed_or_refused(self, storage: Storage, text: str) -> None:
        """Index a text, or refuse it with an error of ours and store nothing."""
        try:
            storage.write([Insert(TABLE, "k", {"kind": text, "at": 1.0})])
        except StorageError:
            left = storage.read(TABLE, ["k"])
            told = "what cannot be indexed is refused, and nothing of it is stored"
            check(left == [None], told, f"insert with kind={ascii(text)[:60]}, read", left, "`execute`")
            return
        found = storage.find(Query(TABLE, BY_KIND, (text,)), 5)
        check(
            [record["kind"] for record in found] == [text],
            "a text by which a record is indexed finds it, or is refused with a StorageError",
            f"insert with kind={ascii(text)[:60]}, find by it",
            found,
            "how values of indexes are encoded, and how errors of the engine are translated",
        )

    @pytest.mark.parametrize("text", _ODD_TEXTS, ids=ascii)
    def test_a_payload_is_any_text(self, storage: Storage, text: str) -> None:
        storage.push("q", [QueueItem("i", text)])
        items = storage.take(["q"], 1, _LEASE_S, storage.now()).items
        found = [item.payload for _, item in items]
        done = f"push an item with the payload {ascii(text)[:60]}, take it"
        check(found == [text], "a payload is any text", done, found, "how items are written")

    @pytest.mark.parametrize("name", ["a b", "a:b", "a.b*>", "ünï", "{x}", "q" * 200, "%s", "-"], ids=ascii)
    def test_queues_and_channels_may_have_odd_names(self, storage: Storage, name: str) -> None:
        storage.push(name, [QueueItem("i")])
        done = f"push into {ascii(name)[:40]}, ask for the depth and the names"
        depth, names = storage.queue_depth([name], storage.now()), storage.queue_names()
        promise, look = "a queue has any name up to 200 characters", "how names of queues become keys"
        check((depth, names) == ({name: QueueDepth(1, 0)}, [name]), promise, done, (depth, names), look)
        with storage.subscribe([name]) as subscription:
            storage.notify([name])
            heard = subscription.wait(10.0)
        done = f"subscribe to {ascii(name)[:40]}, notify it, wait"
        check(heard == {name}, "a channel has any name up to 200 characters", done, heard, "`subscribe`")

    # --- groups ------------------------------------------------------------------------

    def test_a_refused_write_tells_what_stands_there_now(self, storage: Storage) -> None:
        storage.write([Insert(TABLE, "k", {"value": 1})])
        replies = storage.write(
            [Patch(TABLE, "k", {"value": 2}, {"value": 1}), Patch(TABLE, "k", {"value": 3}, {"value": 1})]
        )
        told = [(reply.applied, reply.current) for reply in replies]
        check(
            told[0][0] and told[1] == (False, {"value": 2}),
            "the `current` of a refused write is what stands there when it is refused",
            "patch value 1 to 2, and in the same call once more from 1",
            told,
            "whether the reply comes from a read of before, or from another snapshot than the write",
        )

    def test_a_group_is_carried_out_in_its_order(self, storage: Storage) -> None:
        storage.push("q", [QueueItem("i", "before")])
        replies = storage.execute(
            [
                Insert(TABLE, "k", {"value": 1}),
                Delete(TABLE, "k", {"value": 1}),
                Read(TABLE, ("k",)),
                Insert(TABLE, "k", {"value": 2}),
                Ack(("i",)),
                Push("q", (QueueItem("i", "after"),)),
                Read(TABLE, ("k",), ("value",)),
            ]
        )
        items = storage.take(["q"], 5, _LEASE_S, storage.now()).items
        found = (replies[2], replies[6], [item.payload for _, item in items])
        check(
            found == ([None], [{"key": "k", "value": 2}], ["after"]),
            "the operations of one call take effect in their order, whatever they are about",
            "insert, delete, read, insert, ack an item, push it again, read; then take",
            found,
            "whether `execute` sorts operations by their kind",
        )

    def test_a_purge_leaves_the_queues_of_other_apps(
        self, make_storage: MakeStorage, storage: Storage, app_id: str
    ) -> None:
        others = [make_storage(each) for each in (f"{app_id}x", f"{app_id}/x", app_id[:-1])]
        for each in others:
            each.declare([TABLE])
            each.push("q", [QueueItem("i")])
            each.write([Insert(TABLE, "k", {"kind": "a", "at": 1.0})])
        storage.push("q", [QueueItem("i")])
        storage.purge(tables=[TABLE], queues=True, blobs=True)
        left = [(each.queue_names(), each.count(Query(TABLE, BY_KIND, ("a",)))) for each in others]
        for each in others:
            each.purge(tables=[TABLE], queues=True, blobs=True)
            each.close()
        check(
            left == [(["q"], 1)] * 3,
            "a purge takes the data of its own app only",
            "fill four apps whose ids begin alike, purge one",
            left,
            "whether `purge` deletes by a prefix that other ids share",
        )
