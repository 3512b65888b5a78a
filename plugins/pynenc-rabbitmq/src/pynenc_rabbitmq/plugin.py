"""The component and the builder method of the plugin; nothing here imports the client of RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.plugins.component import BuilderMethod, ComponentSpec
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.kinds import ComponentKind


@hookimpl
def pynenc_components() -> Iterable[ComponentSpec]:
    """Return the broker."""
    yield ComponentSpec(
        ComponentKind.BROKER,
        "RabbitMQBroker",
        "pynenc_rabbitmq.broker:RabbitMQBroker",
        "rabbitmq",
        ("pynenc_rabbitmq.settings:ConfigRabbitMQ",),
    )


@hookimpl
def pynenc_builder_methods() -> Iterable[BuilderMethod]:
    """Return what `PynencBuilder` can say of RabbitMQ."""
    yield BuilderMethod("rabbitmq_broker", "pynenc_rabbitmq.builder:rabbitmq_broker")
