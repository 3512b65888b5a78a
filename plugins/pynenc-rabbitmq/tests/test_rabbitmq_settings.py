"""What the settings of the broker lead to."""

from __future__ import annotations

import pytest

from pynenc import Pynenc, PynencBuilder


def test_an_address_alone_does_not_choose_the_broker(caplog: pytest.LogCaptureFixture) -> None:
    app = Pynenc({"app_id": "rabbit-settings", "rabbitmq_url": "amqp://localhost"})
    assert type(app.broker).__name__ == "MemBroker"
    assert "nothing uses 'rabbitmq_url' (from code)" in caplog.text
    assert "set broker_cls='rabbitmq'" in caplog.text


def test_the_builder_chooses_it() -> None:
    app = PynencBuilder().app_id("rabbit-builder").rabbitmq_broker("amqp://localhost").build()
    assert type(app.broker).__name__ == "RabbitMQBroker"
    assert app.broker.conf.rabbitmq_url.get_secret_value() == "amqp://localhost"  # type: ignore[attr-defined]
    assert "amqp" not in repr(app.broker.conf)
