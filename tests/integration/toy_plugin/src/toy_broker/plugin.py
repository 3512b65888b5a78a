"""What the plugin offers."""

from pynenc.plugins.component import BuilderMethod, ComponentSpec
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.kinds import ComponentKind


@hookimpl
def pynenc_components():
    return [
        ComponentSpec(
            ComponentKind.BROKER,
            "FolderBroker",
            "toy_broker.broker:FolderBroker",
            "folder",
            ("toy_broker.settings:ConfigFolderBroker",),
        )
    ]


@hookimpl
def pynenc_builder_methods():
    return [BuilderMethod("folder_broker", "toy_broker.settings:use_folder")]
