"""Large values: as documents where they fit, in GridFS where they do not."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from bson import ObjectId
from gridfs import GridFSBucket, NoFile
from pymongo import UpdateOne
from pymongo.database import Database

from pynenc_mongo.connection import Document
from pynenc_mongo.documents import Names
from pynenc_mongo.schema import BLOBS, FILES

_LARGEST_DOCUMENT = 8 * 1024 * 1024


class Blobs:
    """The blobs of an app.

    Args:
        database: Where.
        names: The app's identities.
    """

    def __init__(self, database: Database[Document], names: Names) -> None:
        self._blobs = database[BLOBS]
        self._bucket = GridFSBucket(database, FILES)
        self._names = names

    def put(self, blobs: Mapping[str, bytes]) -> None:
        """Store values; a key that is there already is left alone."""
        small = {self._names.blob(key): blob for key, blob in blobs.items() if len(blob) <= _LARGEST_DOCUMENT}
        if small:
            self._blobs.bulk_write(
                [
                    UpdateOne({"_id": key}, {"$setOnInsert": {"data": blob}}, upsert=True)
                    for key, blob in small.items()
                ]
            )
        for key, blob in blobs.items():
            if len(blob) > _LARGEST_DOCUMENT:
                self._put_file(self._names.blob(key), blob)

    def _put_file(self, identity: str, blob: bytes) -> None:
        """The file first, then the document that names it; who comes second takes the file away again."""
        if self._blobs.find_one({"_id": identity}, {"_id": 1}) is not None:
            return
        file = self._bucket.upload_from_stream(identity, blob)
        done = self._blobs.update_one({"_id": identity}, {"$setOnInsert": {"file": file}}, upsert=True)
        if done.upserted_id is None:
            self._bucket.delete(file)

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values in order, None where there is none."""
        ids = [self._names.blob(key) for key in keys]
        found = {each["_id"]: each for each in self._blobs.find({"_id": {"$in": ids}})}
        return [self._content(found[each]) if each in found else None for each in ids]

    def _content(self, document: Document) -> bytes | None:
        if "file" not in document:
            return bytes(document["data"])
        try:
            with self._bucket.open_download_stream(document["file"]) as stream:
                return stream.read()
        except NoFile:
            return None  # deleted a moment ago

    def delete(self, keys: Sequence[str]) -> None:
        """Delete values; absent keys are fine."""
        self._delete({"$in": [self._names.blob(key) for key in keys]})

    def purge(self) -> None:
        """Delete all of the app."""
        self._delete(self._names.all_of("b"))

    def _delete(self, which: Mapping[str, object]) -> None:
        """Delete documents and their files, and files that a crash has left without a document."""
        self._blobs.delete_many({"_id": which})
        files: list[ObjectId] = [each._id for each in self._bucket.find({"filename": which})]
        for file in files:
            with contextlib.suppress(NoFile):  # somebody else has deleted it
                self._bucket.delete(file)
