"""Settings of the MongoDB backend."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr

from pynenc.conf.base_config import PynencConfig


class ConfigMongo(PynencConfig):
    """The address of MongoDB. A URL wins over host, port and user; its options win over these settings."""

    section: ClassVar[str | None] = "mongo"

    mongo_url: SecretStr | None = Field(
        None,
        description="`mongodb://` or `mongodb+srv://`, with credentials, replica set, TLS and database as "
        "MongoDB's connection strings have them.",
    )
    mongo_host: str = Field("localhost", description="Host of the server.")
    mongo_port: int = Field(27017, ge=1, le=65535, description="Port of the server.")
    mongo_db: str = Field("pynenc", min_length=1, description="Name of the database, where no URL says it.")
    mongo_username: str = Field("", description="User, if the server asks for one.")
    mongo_password: SecretStr = Field(SecretStr(""), description="Password, if the server asks for one.")
    mongo_auth_source: str = Field("admin", description="Database that knows the user.")
    mongo_auth_mechanism: str = Field(
        "", description="How to log in, such as `SCRAM-SHA-256` or `MONGODB-X509`; empty to agree on one."
    )
    mongo_tls: bool = Field(False, description="Whether to connect with TLS.")
    mongo_tls_ca_file: str = Field(
        "", description="Certificates of the authorities to trust (PEM); empty for those of the system."
    )
    mongo_tls_certificate_key_file: str = Field(
        "", description="Certificate and private key of this client (PEM), if the server asks for one."
    )
    mongo_pool_max_connections: int = Field(
        100, ge=2, description="Most connections of a process; further threads wait for one."
    )
    mongo_write_concern: str = Field(
        "majority",
        description="How many members have a write before it counts: `majority`, or a number. A number below "
        "the majority can lose accepted work when the primary fails.",
    )
    mongo_journal: bool = Field(
        True,
        description="Whether a write counts only when it is in the journal on disk. Without it a crash of "
        "the server can lose what was accepted in the last tenth of a second.",
    )
    server_selection_timeout: float = Field(
        5.0,
        gt=0,
        description="Longest wait for a server that takes writes, in seconds; an election takes some.",
    )
    socket_timeout: float = Field(20.0, gt=0, description="Longest wait for an answer, in seconds.")
    socket_connect_timeout: float = Field(5.0, gt=0, description="Longest wait for a connection, in seconds.")
