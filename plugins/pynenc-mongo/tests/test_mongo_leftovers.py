"""Nothing grows for ever in MongoDB."""

from __future__ import annotations

from leftovers import Everything
from mongo_apps import make_mongo_app
from pymongo import MongoClient
from pynenc_mongo.schema import BLOBS, FILES, RECORDS

LARGER_THAN_A_DOCUMENT = 20 * 1024 * 1024
OURS = {"$regex": "^leftovers:"}


def documents(url: str) -> dict[str, int]:
    """Return how many documents of the app each collection has."""
    with MongoClient(url) as client:
        database = client.get_default_database()
        counts = {name: database[name].count_documents({"_id": OURS}) for name in (RECORDS, BLOBS)}
        return {**counts, FILES: database[f"{FILES}.files"].count_documents({"filename": OURS})}


def test_nothing_is_left_in_mongodb(mongo_url: str) -> None:
    app = make_mongo_app(mongo_url, "leftovers")
    app.purge()
    everything = Everything(app)
    everything.live(0)
    full = documents(mongo_url)
    everything.clean()
    left = documents(mongo_url)
    assert full[BLOBS] > left[BLOBS] == 0
    assert full[RECORDS] > 10 * left[RECORDS]
    for number in range(1, 3):
        everything.live(number)
    app.components.values.pack_result("x" * LARGER_THAN_A_DOCUMENT)
    assert documents(mongo_url)[FILES] == 1
    everything.clean()
    assert documents(mongo_url) == left
    app.purge()


def test_a_file_whose_document_was_never_written_is_deleted_with_its_value(mongo_url: str) -> None:
    app = make_mongo_app(mongo_url, "leftovers")
    store = app.client_data_store
    store.put({"a": b"x" * LARGER_THAN_A_DOCUMENT})
    with MongoClient(mongo_url) as client:
        client.get_default_database()[BLOBS].delete_many({"_id": OURS})
    assert store.get(["a"]) == [None]
    assert documents(mongo_url)[FILES] == 1
    store.delete(["a"])
    assert documents(mongo_url)[FILES] == 0
    app.purge()
