"""What happens when MongoDB refuses, is full, goes away and comes back."""

from __future__ import annotations

import contextlib
import signal
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mongo_tasks
import pytest
import trustme
from bson import ObjectId
from cryptography import x509
from mongo_apps import make_mongo_app, mongo_storage
from mongo_server import MongoServer, ReplicaSet, free_port
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pynenc_mongo.schema import RECORDS
from pynenc_mongo.writing import Writer

from pynenc.exceptions import (
    ConfigError,
    SerializationError,
    StorageError,
    StorageLayoutError,
    StorageUnavailableError,
    ValueTooLargeError,
)
from pynenc.invocation.status import InvocationStatus
from pynenc.storage.operations import Delete, Insert
from pynenc.testing.app_fixtures import running
from pynenc.testing.storage_fixtures import TABLE

_FAILPOINTS = ("--setParameter", "enableTestCommands=1")


@pytest.fixture(params=[MongoServer, ReplicaSet], ids=["single", "replica-set"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MongoServer]:
    with request.param(tmp_path) as server:
        yield server


def test_a_server_that_is_not_there() -> None:
    port = free_port()
    app = make_mongo_app(f"mongodb://127.0.0.1:{port}", server_selection_timeout=0.1)
    add = app.task(mongo_tasks.add)
    nowhere = rf"cannot reach MongoDB at mongodb://127.0.0.1:{port}/pynenc.*Check that it runs"
    with pytest.raises(StorageUnavailableError, match=nowhere):
        add(1, 2)
    with pytest.raises(StorageUnavailableError, match="cannot reach MongoDB"):
        app.runner.run()


def test_a_wrong_password_is_told_and_never_shown(tmp_path: Path) -> None:
    with MongoServer(tmp_path, "--auth") as server:
        with server.client() as client:  # only the first user can be made without a login
            client.admin.command("createUser", "root", pwd="root", roles=["root"])
        with MongoClient("127.0.0.1", server.port, username="root", password="root") as client:
            roles = [{"role": "readWrite", "db": "test"}]
            client.admin.command("createUser", "worker", pwd="right", roles=roles)
        host = f"127.0.0.1:{server.port}/test?authSource=admin"
        for user, message in (("worker:wrong-secret@", "refuses us.*mongo_password"), ("", "refuses us")):
            with pytest.raises(StorageUnavailableError, match=message) as caught:
                make_mongo_app(f"mongodb://{user}{host}", f"app-{bool(user)}").orchestrator.ping()
            assert "wrong-secret" not in str(caught.value)
        assert "127.0.0.1" in str(
            make_mongo_app(f"mongodb://worker:right@{host}", "other").orchestrator.ping()
        )
        parts = {"mongo_username": "worker", "mongo_password": "right", "mongo_db": "test"}
        app = make_mongo_app("", "parts", mongo_port=server.port, mongo_host="127.0.0.1", **parts)
        assert "127.0.0.1" in str(app.orchestrator.ping())


def test_of_two_who_delete_the_same_records_one_is_told_so(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storages = [mongo_storage("deletes", mongo_url) for _ in range(2)]
    keys = ["a", "b"]
    storages[0].declare([TABLE])
    storages[0].write([Insert(TABLE, key, {"value": 1}) for key in keys])
    deletes = [Delete(TABLE, key, {"value": 1}) for key in keys]
    told: list[list[bool]] = []
    send = Writer._send

    def between(writer: Writer, updates: Any) -> Any:
        """Let the other delete, together and one by one, once the first has marked what it deletes."""
        sent = send(writer, updates)
        monkeypatch.setattr(Writer, "_send", send)
        for some in (deletes, deletes[:1], deletes[1:]):
            told.append([each.applied for each in storages[1].write(some)])
        return sent

    monkeypatch.setattr(Writer, "_send", between)
    assert [each.applied for each in storages[0].write(deletes)] == [True, True]
    assert told == [[False, False], [False], [False]]
    assert storages[0].read(TABLE, keys) == [None, None]
    for storage in storages:
        storage.close()


def test_the_mark_of_one_who_died_means_nothing_after_a_minute(mongo_url: str) -> None:
    storage = mongo_storage("marked", mongo_url)
    storage.declare([TABLE])
    storage.write([Insert(TABLE, key, {"value": 1}) for key in "ab"])
    old = ObjectId.from_datetime(datetime.now(UTC) - timedelta(minutes=2))
    with MongoClient(mongo_url) as client:
        records = client.get_default_database()[RECORDS]
        records.update_many({"_id": {"$regex": "^marked:"}}, {"$set": {"_d": old}})
    deletes = [Delete(TABLE, key, {"value": 1}) for key in "ab"]
    assert [each.applied for each in storage.write(deletes)] == [True, True]
    storage.close()


def certified(folder: Path) -> tuple[trustme.CA, tuple[str, ...]]:
    """Return an authority, and the options of a server with a certificate of it; both are in the folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    own = authority.issue_cert("127.0.0.1")
    own.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return authority, ("--tlsMode", "preferTLS", "--tlsCertificateKeyFile", str(folder / "server.pem"))


def test_tls_with_a_certificate_of_an_own_authority(tmp_path: Path) -> None:
    _, tls = certified(tmp_path)
    with MongoServer(tmp_path, *tls) as server:
        url = f"mongodb://127.0.0.1:{server.port}/test?tls=true"
        app = make_mongo_app(f"{url}&tlsCAFile={tmp_path}/ca.pem")
        add = app.task(mongo_tasks.add)
        with running(app):
            assert add(1, 2).result == 3
        strangers = make_mongo_app(url, "strangers", server_selection_timeout=0.1)
        with pytest.raises(StorageUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
            strangers.orchestrator.ping()
        parts = {"mongo_host": "127.0.0.1", "mongo_port": server.port, "mongo_tls": True}
        app = make_mongo_app("", "settings", **parts, mongo_tls_ca_file=str(tmp_path / "ca.pem"))
        assert "127.0.0.1" in str(app.orchestrator.ping())


def test_a_certificate_in_place_of_a_password(tmp_path: Path) -> None:
    authority, tls = certified(tmp_path)
    own = authority.issue_cert("worker.example", common_name="worker")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "worker.pem"))
    tls += ("--tlsCAFile", str(tmp_path / "ca.pem"), "--tlsAllowConnectionsWithoutCertificates")
    with MongoServer(tmp_path, *tls) as server:
        with server.client() as client:
            roles = [{"role": "readWrite", "db": "pynenc"}]
            client["$external"].command("createUser", own_subject(tmp_path / "worker.pem"), roles=roles)
        parts = {"mongo_host": "127.0.0.1", "mongo_port": server.port, "mongo_tls": True}
        files = {"mongo_tls_ca_file": f"{tmp_path}/ca.pem"}
        files["mongo_tls_certificate_key_file"] = f"{tmp_path}/worker.pem"
        app = make_mongo_app("", "x509", **parts, **files, mongo_auth_mechanism="MONGODB-X509")
        assert "127.0.0.1" in str(app.orchestrator.ping())


def own_subject(path: Path) -> str:
    """Return the subject of a certificate as MongoDB writes it."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.subject.rfc4514_string()


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://u:s3cret@h:port",
        "mongodb//u:s3cret@h",
        "mongodb://u:s3cret@x@127.0.0.1:1/",
        "mongodb://u:p%ss3cret@127.0.0.1:1/",
        "mongodb://u:s3c/ret@127.0.0.1:1/",
        "mongodb://127.0.0.1:1/?authSource=s3cret&unknown=s3cret",
        "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=s3cret",
        "mongodb://u:s3cret@127.0.0.1:1/?tlsCAFile=/nowhere",
        "mongodb+srv://u:s3c/ret@nowhere.invalid/",
        "http://u:s3cret@h",
        "s3cret",
    ],
)
def test_a_url_that_cannot_be_understood_is_never_shown(url: str) -> None:
    app = make_mongo_app(url, "malformed")
    with pytest.raises(ConfigError, match="mongo_url") as caught:
        app.orchestrator.ping()
    assert "s3c" not in "".join(traceback.format_exception(caught.value))
    assert "s3c" not in repr(app)


def _step_down(server: MongoServer, seconds: int) -> None:
    with server.client() as client, contextlib.suppress(PyMongoError):  # it may cut this very connection
        client.admin.command("replSetStepDown", seconds, force=True)


def test_a_member_that_is_not_the_primary(tmp_path: Path) -> None:
    with ReplicaSet(tmp_path) as server:
        make_mongo_app(server.url, "first").orchestrator.ping()
        _step_down(server, 3600)
        add = make_mongo_app(f"mongodb://127.0.0.1:{server.port}/test?directConnection=true").task(
            mongo_tasks.add
        )
        with pytest.raises(StorageUnavailableError, match="is not the primary.*replicaSet=name"):
            add(1, 2)


def test_work_goes_on_after_a_step_down(tmp_path: Path) -> None:
    with ReplicaSet(tmp_path) as server:
        app = make_mongo_app(server.url)
        add = app.task(mongo_tasks.add)
        with running(app):
            assert add(1, 2).result == 3
            group = add.parallelize([(number, 1) for number in range(200)])
            _step_down(server, 1)
            assert list(group.results) == list(range(1, 201))
            assert add(2, 2).result == 4


def _fail(server: MongoServer, commands: list[str], code: int) -> Callable[[], None]:
    """Make the server refuse commands with a code, until the returned function is called."""

    def switch(mode: str, data: dict[str, Any]) -> None:
        with server.client() as client:
            client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)

    switch("alwaysOn", {"failCommands": commands, "errorCode": code, "appName": "pynenc"})
    return lambda: switch("off", {})


def test_a_full_disk_is_told_and_work_goes_on_afterwards(tmp_path: Path) -> None:
    with MongoServer(tmp_path, *_FAILPOINTS) as server:
        app = make_mongo_app(server.url)
        add = app.task(mongo_tasks.add)
        accepted = add(0, 1)
        mend = _fail(server, ["update"], 14031)
        with pytest.raises(StorageUnavailableError, match="has no space left on its disk"):
            add(1, 1)
        assert len(app.find_invocations()) == 1
        mend()
        with running(app):
            assert accepted.result == 1
            assert add(1, 1).result == 2


@pytest.mark.parametrize("code", [91, 11600, 10107])
def test_passing_errors_are_waited_out(tmp_path: Path, code: int) -> None:
    with MongoServer(tmp_path, *_FAILPOINTS) as server:
        storage = mongo_storage("passing", f"{server.url}?heartbeatFrequencyMS=500")
        storage.declare([TABLE])
        storage.ping()
        with server.client() as client:
            once = {"failCommands": ["update"], "errorCode": code, "appName": "pynenc"}
            client.admin.command("configureFailPoint", "failCommand", mode={"times": 2}, data=once)
        assert storage.write([Insert(TABLE, "k", {"value": 1})])[0].applied
        storage.close()


def test_a_document_that_is_too_large(mongo_url: str) -> None:
    app = make_mongo_app(mongo_url, "large", client_data_store={"disable_client_data_store": True})
    repeat = app.task(mongo_tasks.repeat)
    with pytest.raises(ValueTooLargeError, match="a document holds 16 MB"):
        repeat("x" * 17_000_000, 1)
    assert app.find_invocations() == []
    with running(app):
        with pytest.raises(ValueTooLargeError, match="a document holds 16 MB"):
            _ = repeat("x" * 17_000, 1000).result
        assert repeat("x", 3).result == "xxx"
    app.purge()


def test_twenty_megabytes_of_arguments_and_result(mongo_url: str) -> None:
    app = make_mongo_app(mongo_url, "twenty")
    text = "0123456789" * 2_000_000
    with running(app):
        assert app.task(mongo_tasks.repeat)(text, 1).result == text
    app.purge()


def test_a_number_of_more_than_64_bits(mongo_url: str) -> None:
    storage = mongo_storage("numbers", mongo_url)
    storage.declare([TABLE])
    with pytest.raises(StorageError, match="more than 64 bits"):
        storage.write([Insert(TABLE, "k", {"value": 2**64})])
    assert storage.read(TABLE, ["k"]) == [None]
    storage.close()


@pytest.mark.timeout(120)
def test_all_of_a_thousand_end_although_the_server_is_killed(server: MongoServer) -> None:
    app = make_mongo_app(server.url)
    add = app.task(mongo_tasks.add)
    with running(app):
        assert add(1, 2).result == 3
        group = list(add.parallelize([(number, 1) for number in range(1000)]))
        while app.orchestrator.count_states(InvocationStatus.SUCCESS) < 200:
            pass
        server.stop(signal.SIGKILL)
        server.start()
        assert [each.result for each in group] == list(range(1, 1001))
        assert add(2, 2).result == 4
    for each in group:
        ends = [entry for entry in each.history if entry.status == InvocationStatus.SUCCESS]
        assert len(ends) == 1


def test_an_idle_runner_consumes_again_after_a_restart(server: MongoServer) -> None:
    app = make_mongo_app(server.url)
    add = app.task(mongo_tasks.add)
    with running(app):
        assert add(1, 2).result == 3
        server.stop(signal.SIGKILL)
        server.start()
        assert add(2, 2).result == 4


def test_data_of_a_newer_layout_is_refused(mongo_url: str) -> None:
    with MongoClient(mongo_url) as client:
        meta = client.get_default_database()["pynenc_meta"]
        meta.insert_one({"_id": "newer", "layout": 99})
        with pytest.raises(StorageLayoutError, match="has layout 99, written by a newer pynenc"):
            mongo_storage("newer", mongo_url).ping()
        meta.delete_one({"_id": "newer"})


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://localhost", "must begin with mongodb://"),
        ("mongodb://localhost:many/test", "'mongo_url' cannot be understood"),
        ("mongodb://localhost/?w=-3", "cannot be"),
    ],
)
def test_a_url_that_makes_no_sense(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_mongo_app(url).orchestrator.ping()


def test_settings_that_could_lose_work_are_hazards(mongo_url: str, replica_set_url: str) -> None:
    assert make_mongo_app(replica_set_url, "safe").orchestrator.hazards() == []
    weak = make_mongo_app(replica_set_url, "weak", mongo_write_concern="1", mongo_journal=False)
    hazards = "\n".join(weak.orchestrator.hazards())
    assert "before the majority" in hazards
    assert "'mongo_journal'" in hazards
    single = make_mongo_app(mongo_url, "single", mongo_write_concern="1")
    assert single.orchestrator.hazards() == []


def test_apps_with_odd_names_keep_apart(mongo_url: str) -> None:
    for odd in ("a*", "a{b}", "a:b", "ä b", "a.$b"):
        one, other = make_mongo_app(mongo_url, odd), make_mongo_app(mongo_url, odd + "x")
        for app in (one, other):
            app.task(mongo_tasks.add)(1, 2)
        one.purge()
        assert one.broker.queues() == []
        assert other.broker.queues() == ["default"]
        other.purge()


def test_arguments_that_cannot_be_written_store_nothing(mongo_url: str) -> None:
    app = make_mongo_app(mongo_url, "arguments", serializer_cls="JsonSerializer")
    with pytest.raises(SerializationError):
        app.task(mongo_tasks.repeat)(object(), 1)
    assert app.find_invocations() == []
