"""Methods that the plugin adds to `PynencBuilder`."""

from __future__ import annotations

from pynenc.backend import client_data_store_method, trigger_method
from pynenc.builder import PynencBuilder


def mongo(
    builder: PynencBuilder,
    url: str | None = None,
    db: str | None = None,
    host: str | None = None,
    port: int | None = None,
    username: str | None = None,
    password: str | None = None,
    auth_source: str | None = None,
) -> None:
    """Keep everything in MongoDB.

    Args:
        builder: The builder.
        url: Where it is; see the setting `mongo_url`. It wins over host, port and user.
        db: Name of the database, where no URL says it.
        host: Host of the server.
        port: Port of the server.
        username: User, if the server asks for one.
        password: Password, if the server asks for one.
        auth_source: Database that knows the user.
    """
    builder.custom_config(backend="mongo")
    builder.section(
        "mongo",
        mongo_url=url,
        mongo_db=db,
        mongo_host=host,
        mongo_port=port,
        mongo_username=username,
        mongo_password=password,
        mongo_auth_source=auth_source,
    )


mongo_client_data_store = client_data_store_method("MongoClientDataStore")
mongo_trigger = trigger_method("MongoTrigger")
