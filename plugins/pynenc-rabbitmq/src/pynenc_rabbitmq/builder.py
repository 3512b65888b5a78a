"""The method that the plugin adds to `PynencBuilder`."""

from __future__ import annotations

from pynenc.builder import PynencBuilder


def rabbitmq_broker(builder: PynencBuilder, url: str | None = None) -> None:
    """Send messages through RabbitMQ; everything else stays where it is.

    Args:
        builder: The builder.
        url: Where it is; see the setting `rabbitmq_url`.
    """
    builder.custom_config(broker_cls="RabbitMQBroker")
    builder.section("broker", rabbitmq_url=url)
