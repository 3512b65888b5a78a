"""Seals: records that carry user data are signed, and their texts encoded, between the app and a store.

A seal is written into a text field of the record, in place of the text:

    @sealed:1:<codecs>:<key id>:<signature>:<text, encoded>

The signature is an HMAC-SHA256 (RFC 2104) over the canonical bytes of the app's id, the table, the
key, and every field that never changes, with the texts as they are stored: a record that was made by
somebody else, changed, or copied onto another is told by it before anything of it is decoded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

import msgspec

from pynenc.exceptions import CodecError, StorageError
from pynenc.storage.codecs import Codecs
from pynenc.storage.group import Group, Pending
from pynenc.storage.operations import Cursor
from pynenc.storage.record_store import Amend, Lookup, R, RecordStore, RecordWrite, Remove, Save, key_of
from pynenc.storage.records import note_unreadable

T = TypeVar("T")
logger = logging.getLogger("pynenc.security")

SEALED = "@sealed:1:"
"""What a sealed text begins with."""


class ForgedError(CodecError):
    """A record was made or changed by somebody who has none of the keys."""


class SealedFields(msgspec.Struct, frozen=True):
    """The fields of a kind of records that a seal protects.

    Attributes:
        table: The name of the table.
        texts: The fields that hold user data. All are encoded; the first carries the signature.
        changing: The fields that are not signed, because they change while the record lives.
        loose: Those of them that hold text in which user data may stand; they are encoded.
        later: Fields that records of earlier versions do not have; one that is None is not signed.
    """

    table: str
    texts: tuple[str, ...]
    changing: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


class Seal:
    """Seals records and opens them.

    Args:
        app_id: Whose records these are.
        signing_keys: The first signs, all verify; none for no signatures.
        codecs: What texts go through.
        most: The largest size of a decoded text in bytes; 0 for no bound.
    """

    def __init__(self, app_id: str, signing_keys: Sequence[str], codecs: Codecs, most: int) -> None:
        self.codecs = codecs
        self._app_id = app_id
        self._most = most
        keys = [hashlib.sha256(b"pynenc: signatures\0" + key.encode()).digest() for key in signing_keys]
        self._keys = {hashlib.sha256(key).hexdigest()[:8]: key for key in keys}

    @property
    def is_needed(self) -> bool:
        """True if records are signed or encoded, or may have been."""
        return bool(self._keys or self.codecs.reads)

    @property
    def signs(self) -> bool:
        """True if records are signed."""
        return bool(self._keys)

    def close(self, fields: SealedFields, record: R) -> R:
        """Return a record as it is stored; one that is sealed already stays as it is."""
        if getattr(record, fields.texts[0]).startswith(SEALED):
            return record
        header = self.codecs.header
        texts = {
            name: self.codecs.encode_text(getattr(record, name)) if header else getattr(record, name)
            for name in fields.texts
        }
        key_id, signature = "", ""
        for key_id, key in self._keys.items():  # noqa: B007 - the first one signs
            signature = self._signature(key, fields, record, header, texts)
            break
        first = fields.texts[0]
        if header or signature:
            texts[first] = f"{SEALED}{header}:{key_id}:{signature}:{texts[first]}"
        texts |= {name: self.close_text(text) for name in fields.loose if (text := getattr(record, name))}
        return msgspec.structs.replace(record, **texts)

    def close_text(self, text: str) -> str:
        """Return a text as it is stored in a field that is not signed."""
        header = self.codecs.header
        return f"{SEALED}{header}:::{self.codecs.encode_text(text)}" if header else text

    def open(self, fields: SealedFields, record: R) -> R:
        """Return a stored record as it was sealed.

        Raises:
            CodecError: Its seal is not good, or it cannot be decoded here.
        """
        texts = {name: getattr(record, name) for name in fields.texts}
        first = fields.texts[0]
        if texts[first].startswith(SEALED):
            header, key_id, signature, texts[first] = texts[first].removeprefix(SEALED).split(":", 3)
        else:
            header = key_id = signature = ""
        if self._keys:
            if not signature:
                raise ForgedError("it is not signed")
            if key_id not in self._keys:
                raise CodecError("it is signed with a key that is not among the 'signing_keys'")
            good = self._signature(self._keys[key_id], fields, record, header, texts)
            if not hmac.compare_digest(good.encode(), signature.encode()):
                raise ForgedError("its signature is not that of its content: somebody has made or changed it")
        if header:
            texts = {name: self.codecs.decode_text(header, text, self._most) for name, text in texts.items()}
        for name in fields.loose:
            text = getattr(record, name)
            if text and text.startswith(SEALED):
                header, _, _, body = text.removeprefix(SEALED).split(":", 3)
                texts[name] = self.codecs.decode_text(header, body, self._most)
        return msgspec.structs.replace(record, **texts)

    def _signature(
        self, key: bytes, fields: SealedFields, record: msgspec.Struct, header: str, texts: Mapping[str, str]
    ) -> str:
        content: list[Any] = [self._app_id, fields.table, header]
        for name in record.__struct_fields__:
            if name in fields.changing:
                continue
            value = texts.get(name, getattr(record, name))
            if name in fields.later:
                if value is not None:
                    content.append([name, _canonical(value)])
            else:
                content.append(_canonical(value))
        digest = hmac.new(key, msgspec.msgpack.encode(content), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _canonical(value: Any) -> Any:
    """Return a value as every engine gives it back: a number is a float."""
    return float(value) + 0.0 if isinstance(value, (int, float)) else value  # -0.0 becomes 0.0


class _Inside(threading.local):
    """The depth of this thread in the methods of a store, whose calls of each other are not sealed again."""

    depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *error: object) -> None:
        self.depth -= 1


class SealedRecords(RecordStore):
    """Stands between an app and a store of records; see `seal_records`.

    Attributes:
        seal: Seals and opens.
        sealed: The kinds of records that are sealed.
        stages_by_calling: Whether a step of a group is nothing but a later call of `write` or `read`.
    """

    seal: Seal
    sealed: Mapping[type[msgspec.Struct], SealedFields]
    stages_by_calling: ClassVar[bool]
    _inside: _Inside

    def write(self, writes: Sequence[RecordWrite]) -> list[bool]:
        if self._inside.depth:
            return super().write(writes)  # type: ignore[safe-super]
        closed = self._closed(writes)
        with self._inside:
            done = super().write(closed)  # type: ignore[safe-super]
        return self._healed(closed, done) if self.seal.signs else done

    def stage_write(self, group: Group, writes: Sequence[RecordWrite]) -> Pending[list[bool]]:
        if type(self).stages_by_calling:
            return group.call(lambda: self.write(writes))
        closed = self._closed(writes)
        staged = super().stage_write(group, closed)
        if self.seal.signs:
            group.after(lambda: self._healed(closed, staged.get()))
        return staged

    def read(self, record_type: type[R], keys: Sequence[str]) -> list[R | None]:
        if self._inside.depth:
            return super().read(record_type, keys)  # type: ignore[safe-super]
        with self._inside:
            records = super().read(record_type, keys)  # type: ignore[safe-super]
        return self._opened(record_type, records)

    def stage_read(self, group: Group, record_type: type[R], keys: Sequence[str]) -> Pending[list[R | None]]:
        if type(self).stages_by_calling:
            return group.call(lambda: self.read(record_type, keys))
        staged = super().stage_read(group, record_type, keys)
        return _Opened(staged, lambda records: self._opened(record_type, records))

    def find(self, record_type: type[R], lookup: Lookup, limit: int, after: Cursor | None = None) -> list[R]:
        if record_type not in self.sealed or self._inside.depth:
            return super().find(record_type, lookup, limit, after)  # type: ignore[safe-super]
        found: list[R] = []
        while True:
            wanted = limit - len(found)
            with self._inside:
                page = super().find(record_type, lookup, wanted, after)  # type: ignore[safe-super]
            found += [each for each in self._opened(record_type, page) if each is not None]
            if len(found) == limit or len(page) < wanted:
                return found
            after = Cursor(getattr(page[-1], self.order_of(lookup)), key_of(page[-1]))

    def count(self, lookup: Lookup) -> int:
        if self.seal.signs and lookup.record_type in self.sealed:
            return len(self.find_all(lookup.record_type, lookup))  # those that others have made do not count
        return super().count(lookup)

    def count_many(self, lookups: Sequence[Lookup], limit: int) -> list[int]:
        if self.seal.signs and any(each.record_type in self.sealed for each in lookups):
            return [len(self.find(each.record_type, each, limit)) for each in lookups]
        return super().count_many(lookups, limit)

    def _healed(self, writes: Sequence[RecordWrite], done: list[bool]) -> list[bool]:
        """Save what was refused only because somebody else has made a record in its place.

        Of a step of a group that comes after the group was sent, so who reads at that very moment may
        still find the record of the other, which counts as one that is not there.
        """
        for at, (write, was_done) in enumerate(zip(writes, done, strict=True)):
            if not was_done and isinstance(write, Save) and type(write.record) in self.sealed:
                done[at] = self._replaced(write)
        return done

    def _replaced(self, save: Save) -> bool:
        record_type, key = type(save.record), key_of(save.record)
        with self._inside:
            (found,) = super().read(record_type, [key])  # type: ignore[safe-super]
            if found is not None:
                try:
                    self.seal.open(self.sealed[record_type], found)
                except ForgedError:
                    return super().write([Remove(record_type, key), save])[-1]  # type: ignore[safe-super]
                except Exception:  # noqa: BLE001 - perhaps only this process lacks a key
                    return False
        return False

    def _closed(self, writes: Sequence[RecordWrite]) -> list[RecordWrite]:
        closed: list[RecordWrite] = []
        saved: dict[tuple[type[msgspec.Struct], str], msgspec.Struct] = {}
        for write in writes:
            if isinstance(write, Save) and (fields := self.sealed.get(type(write.record))):
                saved[type(write.record), key_of(write.record)] = write.record
                closed.append(Save(self.seal.close(fields, write.record)))
            elif isinstance(write, Amend) and (fields := self.sealed.get(write.record_type)):
                closed.append(self._amended(write, fields, saved.get((write.record_type, write.key))))
            else:
                closed.append(write)
        return closed

    def _amended(self, write: Amend, fields: SealedFields, saved: msgspec.Struct | None) -> Amend:
        """Return an amendment that leaves the seal good."""
        if write.values.keys() <= set(fields.changing):
            loose = {
                name: self.seal.close_text(str(write.values[name]))
                for name in fields.loose
                if write.values.get(name)
            }
            return msgspec.structs.replace(write, values={**write.values, **loose})
        if saved is None:
            raise StorageError(
                f"a sealed record of the table '{fields.table}' can be replaced only as a whole: save it in "
                f"the same batch"
            )
        record = self.seal.close(fields, msgspec.structs.replace(saved, **write.values))
        values = {**write.values, **{name: getattr(record, name) for name in fields.texts}}
        return Amend(write.record_type, write.key, values, write.guard)

    def _opened(self, record_type: type[R], records: Sequence[R | None]) -> list[R | None]:
        fields = self.sealed.get(record_type)
        if fields is None:
            return list(records)
        return [None if record is None else self._one_opened(fields, record) for record in records]

    def _one_opened(self, fields: SealedFields, record: R) -> R | None:
        try:
            return self.seal.open(fields, record)
        except Exception as error:  # noqa: BLE001 - whatever a stored text can lead to
            note_unreadable(fields.table, key_of(record), str(error), logger)
            return None


class _Opened(Pending[T], Generic[T]):
    """The reply of a read, opened when it is asked for."""

    def __init__(self, staged: Pending[T], opened: Any) -> None:
        super().__init__()
        self._staged = staged
        self._opened = opened

    def get(self) -> T:
        return cast(T, self._opened(self._staged.get()))


def seal_records(
    component: RecordStore, seal: Seal, sealed: Mapping[type[msgspec.Struct], SealedFields]
) -> None:
    """Have a component seal what it stores and open what it reads, whatever it stands on."""
    cls = type(component)
    names = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "seal": seal,
        "sealed": sealed,
        "stages_by_calling": cls.stage_write is RecordStore.stage_write,
        "_inside": _Inside(),
    }
    component.__class__ = type(cls.__name__, (SealedRecords, cls), names)
