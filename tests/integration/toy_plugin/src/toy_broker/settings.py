"""Settings of the folder broker."""

from pydantic import Field

from pynenc.conf.config_broker import ConfigBroker


class ConfigFolderBroker(ConfigBroker):
    folder_path: str = Field("messages", description="Where the messages are.")


def use_folder(builder, path):
    builder.custom_config(broker_cls="FolderBroker", folder_path=path)
