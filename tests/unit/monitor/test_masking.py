"""Stored values are shown as text, and secrets are not."""

from __future__ import annotations

import json

import pytest

from pynenc.conf.config_monitor import MASKED
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.monitor.masking import MASK, Masking


def _masking(**settings: object) -> Masking:
    return Masking(ConfigPynenc(app_id="masked", **settings), MASKED)


@pytest.mark.parametrize("name", ["password", "PASSWORD", "db_password", "apiToken", "client_secret", "iban"])
def test_names_that_tell_of_secrets_hide_their_values(name: str) -> None:
    stored = json.dumps({name: '"sesame"', "deep": json.dumps({"list": [{name: "sesame"}]})})
    shown = dict(_masking().arguments(stored))
    assert shown[name] == MASK
    assert "sesame" not in str(shown)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer sesame-open-1",
        "mongodb://user:sesame@host/db",
        "redis://:sesame@host",
        "-----BEGIN RSA PRIVATE KEY-----\nsesame\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nsesame",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nsesame",
        "redis://u:p@sesame@h/0",
        "redis://u:p/sesame@h/0",
        "HTTPS://u:sesame@h",
        "_redis://u:sesame@h and 1redis://u:sesame@h",
        "https://sesame_token@github.com/x",
        "BEARER sesame-open-1",
        "Authorization: Basic sesame1234=",
        "{'password': 'sesame'}",
        "http://h/?password=sesame&x=1",
        '{"api_key": "sesame"}',
    ],
)
def test_texts_that_look_like_secrets_are_hidden(text: str) -> None:
    for shown in (_masking().text(f"before {text}"), _masking().packed(json.dumps({"note": text}))):
        assert "sesame" not in shown
        assert MASK in shown


def test_json_is_pretty_and_everything_else_stays() -> None:
    assert _masking().packed('{"a": [1, "é"]}') == '{\n  "a": [\n    1,\n    "é"\n  ]\n}'
    assert _masking().packed("not json") == "not json"
    assert _masking().packed("@raw:@ref:x") == "@ref:x"
    assert "kept apart" in _masking().packed("@ref:abc.1")
    assert "sealed" in _masking().packed("@sealed:1:x")


@pytest.mark.parametrize("stored", ["nonsense", "[1]", '"x"', "[" * 100_000, "@sealed:1:abc", "\ud800"])
def test_records_of_strangers_are_shown_as_they_are(stored: str) -> None:
    ((name, text),) = _masking().arguments(stored)
    assert name == "(all)"
    text.encode()


@pytest.mark.parametrize(
    "rest",
    ["9" * 5000, "[" * 10_000 + "]" * 10_000, '"' + "x" * 1_100_000 + '"'],
    ids=["number", "deep", "long"],
)
def test_values_that_cannot_be_masked_are_not_shown(rest: str) -> None:
    text = _masking().packed(f'{{"password": "sesame", "rest": {rest}}}')
    assert "sesame" not in text
    assert "not shown" in text


def test_json_within_texts_is_masked() -> None:
    inner = json.dumps({"password": "sesame", "x": 1})
    assert "sesame" not in _masking().packed(json.dumps(inner))
    assert "sesame" not in _masking().packed(json.dumps(["x" * 70_000, {"password": "sesame"}]))


def test_tags_are_masked() -> None:
    assert _masking().tags(["password=sesame", "auth=Bearer sesame-12345", "customer=42"]) == [
        f"password={MASK}",
        f"auth=Bearer {MASK}",
        "customer=42",
    ]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "part", ["a.", "a-a", "password", "password.", "x://", "://", "'", "bearer ", "@", "\\"]
)
def test_long_texts_take_no_long_time(part: str) -> None:
    for _ in range(5):
        _masking().text(part * 100_000)


def test_what_is_deep_or_long_is_cut() -> None:
    deep = "[" * 500 + "]" * 500
    assert "..." in _masking().packed(deep)
    long = _masking().packed(json.dumps("x" * 200_000))
    assert len(long) < 70_000
    assert "characters in all" in long
    _masking().packed("[" * 60_000)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"argument_print_mode": "keys"}, ["x", "y"]),
        ({"argument_print_mode": "hidden"}, []),
        ({"print_arguments": False}, ["x", "y"]),
    ],
)
def test_the_settings_of_logs_hold_here_too(settings: dict[str, object], names: list[str]) -> None:
    shown = _masking(**settings).arguments(json.dumps({"x": "sesame", "y": "sesame"}))
    assert [name for name, _ in shown] == names
    assert "sesame" not in str(shown)
    assert "sesame" not in str(_masking(**settings).arguments("sesame"))
