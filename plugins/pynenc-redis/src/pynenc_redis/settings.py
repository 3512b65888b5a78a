"""Settings of the Redis backend."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr

from pynenc.conf.base_config import PynencConfig


class ConfigRedis(PynencConfig):
    """The address of Redis. A URL says all at once and wins over host, port and the rest."""

    section: ClassVar[str | None] = "redis"

    redis_url: SecretStr | None = Field(
        None,
        description="`redis://`, `rediss://` (TLS) or `unix://`; `redis+cluster://host:port,...` for a "
        "cluster, `redis+sentinel://host:port,.../service/db` for Sentinel.",
    )
    redis_host: str = Field("localhost", description="Host of the server.")
    redis_port: int = Field(6379, ge=1, le=65535, description="Port of the server.")
    redis_db: int = Field(0, ge=0, description="Number of the database.")
    redis_username: str = Field("", description="User, if the server asks for one.")
    redis_password: SecretStr = Field(SecretStr(""), description="Password, if the server asks for one.")
    redis_tls: bool = Field(False, description="Whether to connect with TLS; a URL says it by `rediss://`.")
    redis_tls_ca_file: str = Field(
        "", description="Certificates of the authorities to trust (PEM); empty for those of the system."
    )
    redis_tls_cert_file: str = Field(
        "", description="Certificate of this client (PEM), if the server asks for one."
    )
    redis_tls_key_file: str = Field("", description="Private key of that certificate (PEM).")
    redis_pool_max_connections: int = Field(
        100, ge=2, description="Most connections of a process; further threads wait for one."
    )
    socket_timeout: float = Field(5.0, gt=0, description="Longest wait for an answer, in seconds.")
    socket_connect_timeout: float = Field(5.0, gt=0, description="Longest wait for a connection, in seconds.")
    health_check_interval: int = Field(
        30, ge=0, description="A connection idle for longer is tried before its use, in seconds; 0 for never."
    )
