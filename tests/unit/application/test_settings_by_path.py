"""A component that is named by its path brings its settings along."""

from __future__ import annotations

import pytest
from pydantic import Field

from pynenc import Pynenc
from pynenc.broker.storage_broker import MemBroker
from pynenc.conf.config_broker import ConfigBroker
from pynenc.exceptions import ConfigError

PATH = f"{__name__}.OwnBroker"


class ConfigOwnBroker(ConfigBroker):
    """Settings of the broker below."""

    number_of_pigeons: int = Field(3, ge=1)


class OwnBroker(MemBroker):
    """A broker with a setting of its own."""

    config_class = ConfigOwnBroker
    conf: ConfigOwnBroker


def test_its_settings_are_known_in_code() -> None:
    app = Pynenc({"app_id": "pigeons", "broker_cls": PATH, "number_of_pigeons": 5})
    assert isinstance(app.broker, OwnBroker)
    assert app.broker.conf.number_of_pigeons == 5


def test_its_settings_are_known_in_a_section_and_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Pynenc({"app_id": "pigeons", "broker_cls": PATH, "broker": {"number_of_pigeons": 6}})
    assert isinstance(app.broker, OwnBroker)
    assert app.broker.conf.number_of_pigeons == 6
    monkeypatch.setenv("PYNENC__NUMBER_OF_PIGEONS", "7")
    other = Pynenc({"app_id": "pigeons2", "broker_cls": PATH})
    assert isinstance(other.broker, OwnBroker)
    assert other.broker.conf.number_of_pigeons == 7


@pytest.mark.parametrize("broker", ["MemBroker", "not_there.OwnBroker", "os.path"])
def test_without_it_they_are_not(broker: str) -> None:
    with pytest.raises(ConfigError, match="unknown setting 'number_of_pigeons'"):
        Pynenc({"app_id": "pigeons", "broker_cls": broker, "number_of_pigeons": 5})


def test_its_values_are_checked() -> None:
    app = Pynenc({"app_id": "pigeons", "broker_cls": PATH, "number_of_pigeons": 0})
    with pytest.raises(ConfigError, match="number_of_pigeons"):
        _ = app.broker
