"""Settings of the RabbitMQ broker."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, SecretStr

from pynenc.conf.config_broker import ConfigBroker


class QueueType(StrEnum):
    """The kinds of queues of RabbitMQ that can be used."""

    CLASSIC = "classic"
    QUORUM = "quorum"


class ConfigRabbitMQ(ConfigBroker):
    """The address of RabbitMQ, and how its queues are made."""

    rabbitmq_url: SecretStr = Field(
        SecretStr("amqp://guest:guest@localhost:5672/%2F"),
        description="`amqp://user:password@host:port/virtual-host`, or `amqps://` (TLS); several, separated "
        "by commas, are tried in turn.",
    )
    rabbitmq_queue_type: QueueType = Field(
        QueueType.CLASSIC,
        description="Type of the queues, which are durable; `quorum` is replicated in a cluster.",
    )
    rabbitmq_timeout_seconds: float = Field(
        5.0, gt=0, description="Longest wait for a connection, and for a server that accepts no messages."
    )
    rabbitmq_heartbeat_seconds: int = Field(
        4,
        ge=1,
        description="Interval of the signs of life; a connection without them for twice that is closed.",
    )
    rabbitmq_tls_ca_file: str = Field(
        "", description="Certificates of the authorities to trust (PEM); empty for those of the system."
    )
    rabbitmq_tls_cert_file: str = Field(
        "", description="Certificate of this client (PEM), if the server asks for one."
    )
    rabbitmq_tls_key_file: str = Field("", description="Private key of that certificate (PEM).")
