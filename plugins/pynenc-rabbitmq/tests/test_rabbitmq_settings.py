"""What the settings of the broker lead to."""

from __future__ import annotations

from pynenc import Pynenc, PynencBuilder


def test_an_address_alone_does_not_choose_the_broker() -> None:
    app = Pynenc({"app_id": "rabbit-settings", "rabbitmq_url": "amqp://localhost"})
    assert type(app.broker).__name__ == "MemBroker"
    (told,) = app.component_provider.unused_settings()
    assert told.startswith("nothing uses 'rabbitmq_url' (from code)")
    assert told.endswith("set broker_cls='rabbitmq'")


def test_the_builder_chooses_it() -> None:
    app = PynencBuilder().app_id("rabbit-builder").rabbitmq_broker("amqp://localhost").build()
    assert type(app.broker).__name__ == "RabbitMQBroker"
    assert app.broker.conf.rabbitmq_url.get_secret_value() == "amqp://localhost"  # type: ignore[attr-defined]
    assert "amqp" not in repr(app.broker.conf)
