"""Signed and encoded apps: what is stored, and what becomes of records that others have made."""

from __future__ import annotations

import base64
import logging
import os
from pathlib import Path
from typing import Any

import msgspec
import plain_tasks
import pytest
import sealed_bodies
from cryptography.fernet import Fernet
from sealed_apps import OTHER, SIGNING, ended, failure, make, patch

from pynenc.application.sealing import SEALED
from pynenc.exceptions import (
    CodecError,
    ConfigError,
    InvocationError,
    InvocationNotFoundError,
    SerializationError,
)
from pynenc.invocation.data import InvocationData, OutcomeData
from pynenc.lifecycle import retention
from pynenc.plugins.component import CodecSpec
from pynenc.storage import records
from pynenc.storage.codecs import Codec, Codecs
from pynenc.testing.app_fixtures import running
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.trigger import on_event

FERNET = Fernet.generate_key().decode()
MARK = "a-mark-that-nobody-else-writes"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sealed.db"


# --- encoding --------------------------------------------------------------------------


@pytest.mark.parametrize("large", [1, 2000], ids=["small", "large"])
def test_no_byte_of_a_value_is_found_in_the_file(path: Path, large: int) -> None:
    app = make(path, codec=["zstd", "fernet"], codec_keys=[FERNET], signing_keys=[SIGNING])
    sealed_bodies.run_everything(app, MARK * large, MARK)
    app.close()
    content = b"".join(each.read_bytes() for each in path.parent.iterdir() if each.is_file())
    assert len(content) > 10_000
    for hidden in (MARK.encode(), base64.b64encode(MARK.encode())[:-4], MARK.encode("utf-16-le")):
        assert hidden not in content


def test_without_a_codec_they_are_there(path: Path) -> None:
    app = make(path)
    sealed_bodies.run_everything(app, MARK, MARK)
    app.close()
    content = b"".join(each.read_bytes() for each in path.parent.iterdir() if each.is_file())
    assert content.count(MARK.encode()) > 8


def test_large_values_are_still_shared(path: Path) -> None:
    app = make(path, codec=["fernet"], codec_keys=[FERNET])
    task = app.task(plain_tasks.echo)
    task("x" * 5000)
    task("x" * 5000)
    assert len(app.state_backend.values_to_look_at(1e12, 9)) == 1


def test_a_wrong_key_fails_that_invocation_and_no_other(path: Path) -> None:
    other_key = Fernet.generate_key().decode()
    before = make(path, codec=["fernet"], codec_keys=[other_key])
    lost = before.task(plain_tasks.add)(1, 1)
    after = make(path, codec=["fernet"], codec_keys=[FERNET])
    task = after.task(plain_tasks.add)
    assert ended(after, task(2, 2)) == 4
    reason = "it was not encrypted with one of the keys in 'codec_keys'"
    assert reason in failure(after, lost.invocation_id)
    with pytest.raises(InvocationNotFoundError, match=reason):
        after.get_invocation(lost.invocation_id)
    both = make(path, codec=["fernet"], codec_keys=[FERNET, other_key])
    both.task(plain_tasks.add)
    assert both.get_invocation(lost.invocation_id).arguments.kwargs == {"x": 1, "y": 1}


def test_what_was_stored_before_the_codec_is_still_read(path: Path) -> None:
    call = make(path).task(plain_tasks.echo)("x" * 5000)
    app = make(path, codec=["zlib"])
    app.task(plain_tasks.echo)
    assert ended(app, app.get_invocation(call.invocation_id)) == "x" * 5000


def test_a_process_without_the_settings_says_what_is_missing(path: Path) -> None:
    call = make(path, codec=["zlib"]).task(plain_tasks.add)(1, 2)
    app = make(path)
    app.task(plain_tasks.add)
    assert "they are signed or encoded" in failure(app, call.invocation_id)


@pytest.mark.parametrize(("codec", "key"), [("fernet", [FERNET]), ("zstd", []), ("zlib", [])])
@pytest.mark.parametrize("value", ["abc", "x" * 5000])
def test_what_was_written_with_a_codec_is_read_without(
    path: Path, codec: str, key: list[str], value: str
) -> None:
    call = make(path, codec=[codec], codec_keys=key).task(plain_tasks.echo)(value)
    app = make(path, codec=["none"], codec_keys=key)
    app.task(plain_tasks.echo)
    assert ended(app, app.get_invocation(call.invocation_id)) == value
    (state,) = app.orchestrator.read_states([call.invocation_id])
    plain = make(path).state_backend.read_outcomes([state.outcome_id or "" if state else ""])
    assert not any(each and each.payload.startswith("@sealed") for each in plain)


def test_a_leader_without_the_codec_deletes_nothing_that_is_needed(path: Path) -> None:
    call = make(path, codec=["zstd"]).task(plain_tasks.echo)("x" * 5000)
    leader = make(path)
    later = leader.orchestrator.now() + 3 * 86400
    assert sum(retention.large_values(leader.components, later, 60.0)) == 0
    app = make(path, codec=["zstd"])
    app.task(plain_tasks.echo)
    assert ended(app, app.get_invocation(call.invocation_id)) == "x" * 5000


@pytest.mark.parametrize("error", ["RuntimeError", "KeyError", "RecursionError", "SystemExit"])
def test_a_codec_that_raises_fails_its_own_invocation(
    path: Path, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Codecs, "_codec", lambda codecs, name: sealed_bodies.Breaking(error))
    app = make(path, codec=["zlib"])
    task = app.task(plain_tasks.echo)
    good = task("good")
    monkeypatch.setattr(sealed_bodies, "IS_BROKEN", True)
    with pytest.raises(SerializationError, match=f"raised {error}"):
        task("BROKEN")
    monkeypatch.setattr(sealed_bodies, "IS_BROKEN", False)
    bad = task("BROKEN")
    monkeypatch.setattr(sealed_bodies, "IS_BROKEN", True)
    assert f"raised {error}" in failure(app, bad.invocation_id)
    assert [each.invocation_id for each in app.find_invocations()] == [good.invocation_id]
    assert ended(app, good) == "good"


def test_reasons_of_trigger_runs_are_encoded(path: Path) -> None:
    app = make(path, codec=["fernet"], codec_keys=[FERNET])
    task = app.task(triggers=on_event("code").with_args_from_event(sealed_bodies.cannot))(plain_tasks.echo)
    app.register_deferred_triggers()
    app.trigger.emit_event("code", {"value": MARK})
    Evaluating(app).work()
    (run,) = app.trigger.find_runs()
    assert run.task_id == task.task_id.key
    assert MARK in (run.reason or "")
    app.close()
    assert MARK.encode() not in path.read_bytes()


def test_a_value_that_stays_in_place_has_the_same_bound(path: Path) -> None:
    app = make(path, disable_client_data_store=True, max_value_bytes=3000)
    with pytest.raises(SerializationError, match="max_value_bytes"):
        app.task(plain_tasks.echo)("x" * 5000)
    assert app.find_invocations() == []
    assert "max_value_bytes" in str(ended(app, app.task(plain_tasks.repeat)("x", 5000)))


def test_a_codec_of_a_plugin(path: Path) -> None:
    class Plugin:
        @staticmethod
        def pynenc_codecs() -> list[CodecSpec]:
            return [CodecSpec("backwards", "sealed_bodies:Backwards")]

    from pynenc.plugins.hookspecs import hookimpl
    from pynenc.plugins.registry import plugin_registry

    Plugin.pynenc_codecs = staticmethod(hookimpl(Plugin.pynenc_codecs))  # type: ignore[method-assign]
    manager = plugin_registry().manager
    manager.register(Plugin, "backwards")
    try:
        app = make(path, codec=["backwards"])
        assert issubclass(sealed_bodies.Backwards, Codec)
        call = app.task(plain_tasks.echo)("live")
        (data,) = make(path).state_backend.read_invocations([call.invocation_id])
        assert data is not None
        assert "evil" in data.arguments
    finally:
        manager.unregister(Plugin)


# --- signing ---------------------------------------------------------------------------


def test_a_record_that_was_changed_is_told_by_its_signature(path: Path) -> None:
    app = make(path, signing_keys=[SIGNING])
    task = app.task(plain_tasks.add)
    changed, copied, whole = task(1, 1), task(2, 2), task(3, 3)
    plain = make(path)
    stored = plain.state_backend.read_invocations([changed.invocation_id, whole.invocation_id])
    assert stored[0] is not None
    assert stored[1] is not None
    patch(
        plain,
        "state_backend",
        "invocation",
        changed.invocation_id,
        arguments=stored[0].arguments.replace('"y":"1"', '"y":"7"'),
    )
    patch(plain, "state_backend", "invocation", copied.invocation_id, arguments=stored[1].arguments)
    app = make(path, signing_keys=[SIGNING])
    app.task(plain_tasks.add)
    for each in (changed, copied):
        assert "its signature is not that of its content" in failure(app, each.invocation_id)
    assert app.get_invocation(whole.invocation_id).result == 6


@pytest.mark.parametrize("cls", SEALED, ids=lambda cls: cls.__name__)
def test_every_sealed_kind_is_bound_to_all_that_never_changes(cls: type[msgspec.Struct], path: Path) -> None:
    fields, record = SEALED[cls], sealed_bodies.example(cls)
    seal = make(path, signing_keys=[SIGNING]).component_provider.seal
    closed = seal.close(fields, record)
    assert seal.open(fields, closed) == record
    for name in cls.__struct_fields__:
        value = getattr(closed, name)
        other = value + 1 if isinstance(value, (int, float)) else f"{value or ''}x"
        changed = msgspec.structs.replace(closed, **{name: other})
        if name in fields.changing:
            assert getattr(seal.open(fields, changed), name) == other
        else:
            with pytest.raises(CodecError):
                seal.open(fields, changed)
    with pytest.raises(CodecError, match="not signed"):
        seal.open(fields, record)
    elsewhere = make(path, signing_keys=[SIGNING], app_id="other").component_provider.seal
    with pytest.raises(CodecError, match="made or changed"):
        elsewhere.open(fields, closed)


def test_everything_of_an_unsigned_writer_is_ignored(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    intruder = make(path)
    task = intruder.task(triggers=on_event("code"))(plain_tasks.echo)
    intruder.register_deferred_triggers()
    call = task("intruder")
    event = intruder.trigger.emit_event("code", {"value": "intruder"})
    records.unreadable.clear()
    logging.getLogger("pynenc.security").propagate = True
    app = make(path, signing_keys=[SIGNING], logging_level="error")
    followed = app.task(triggers=on_event("code"))(plain_tasks.echo)
    app.register_deferred_triggers()
    app.trigger.emit_event("code", {"value": "ours"})
    Evaluating(app).work()
    (run,) = fired(app, followed)
    assert ended(app, app.get_invocation(run.invocation_id)) == "ours"
    assert "it is not signed" in failure(app, call.invocation_id)
    found = [record.getMessage() for record in caplog.records if record.name == "pynenc.security"]
    assert any(event in text and "it is not signed" in text for text in found)


def test_keys_are_changed_without_a_stop(path: Path) -> None:
    first = make(path, signing_keys=[SIGNING]).task(plain_tasks.add)(1, 1)
    app = make(path, signing_keys=[OTHER, SIGNING])
    task = app.task(plain_tasks.add)
    second = task(2, 2)
    assert ended(app, app.get_invocation(first.invocation_id)) == 2
    only_new = make(path, signing_keys=[OTHER])
    only_new.task(plain_tasks.add)
    assert only_new.get_invocation(second.invocation_id).arguments.kwargs == {"x": 2, "y": 2}
    (gone,) = only_new.state_backend.read_invocations([first.invocation_id])
    assert gone is None


def test_an_outcome_of_another_invocation_is_not_taken(path: Path) -> None:
    app = make(path, signing_keys=[SIGNING])
    task = app.task(plain_tasks.add)
    first, second = task(1, 1), task(2, 2)
    with running(app):
        assert [first.result, second.result] == [2, 4]
    patch(app, "orchestrator", "status", first.invocation_id, outcome_id=f"{second.invocation_id}:1")
    app = make(path, signing_keys=[SIGNING])
    app.task(plain_tasks.add)
    with pytest.raises(InvocationError, match="outcome is gone"):
        _ = app.get_invocation(first.invocation_id).result


class Payload:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["PYNENC_TEST_EXPLOIT"],)


@pytest.mark.parametrize("serializer", ["PickleSerializer", "JsonPickleSerializer"])
def test_a_pickle_of_somebody_else_is_never_read(
    path: Path, tmp_path: Path, serializer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "executed"
    monkeypatch.setenv("PYNENC_TEST_EXPLOIT", str(target))
    intruder = make(path, serializer_cls=serializer)
    call = intruder.task(plain_tasks.echo)("x")
    text = intruder.serializer.serialize(Payload())
    patch(
        intruder,
        "state_backend",
        "invocation",
        call.invocation_id,
        arguments=msgspec.json.encode({"value": text}).decode(),
    )
    app = make(path, serializer_cls=serializer, signing_keys=[SIGNING])
    app.task(plain_tasks.echo)
    assert "not signed" in failure(app, call.invocation_id)
    assert not target.exists()


def test_a_large_value_that_was_changed_is_refused(path: Path) -> None:
    app = make(path, signing_keys=[SIGNING])
    call = app.task(plain_tasks.echo)("x" * 5000)
    (value,) = app.state_backend.values_to_look_at(1e12, 9)
    app.client_data_store.delete([value.value_id])
    app.client_data_store.put({value.value_id: b'p"something else"'})
    app.client_data_store.forget()
    error = ended(app, call)
    assert "is not what was stored under this id" in str(error)


# --- settings --------------------------------------------------------------------------


def test_keys_come_from_the_environment_and_are_never_shown(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pynenc.cli.config_command import effective_settings

    monkeypatch.setenv("PYNENC__SIGNING_KEYS", f"{SIGNING}, {OTHER}")
    monkeypatch.setenv("PYNENC__CODEC_KEYS", f'["{FERNET}"]')
    monkeypatch.setenv("PYNENC__CODEC", "fernet")
    app = make(path)
    assert app.component_provider.seal.signs
    shown = str(list(effective_settings(app)))
    assert "signing_keys" in shown
    assert not any(each in shown for each in (SIGNING, OTHER, FERNET))
    monkeypatch.setenv("PYNENC__SIGNING_KEYS", "short secret")
    monkeypatch.setenv("PYNENC__CODEC_KEYS", "")
    with pytest.raises(ConfigError, match="it is given and empty"):
        _ = make(path).state_backend
    monkeypatch.delenv("PYNENC__CODEC_KEYS")
    with pytest.raises(ConfigError, match="at least 32 characters") as raised:
        _ = make(path, codec="").state_backend
    assert "short secret" not in str(raised.value)


def test_a_codec_that_is_not_there_is_refused_before_anything_is_stored(path: Path) -> None:
    with pytest.raises(ConfigError, match="no codec 'brotli'; installed: fernet, none, zlib, zstd"):
        make(path, codec="brotli").task(plain_tasks.add)(1, 2)


def test_examples_cover_the_records_that_carry_values() -> None:
    assert {InvocationData, OutcomeData} <= set(SEALED)
