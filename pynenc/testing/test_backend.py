"""All suites over the backend that `--pynenc-backend` names, with its settings from the environment."""

from __future__ import annotations

import logging
from functools import partial

import pytest

from pynenc.app import Pynenc
from pynenc.application.components import ComponentFactoryContext
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.loader import SettingsLoader
from pynenc.exceptions import ConfigError
from pynenc.plugins.component import Component
from pynenc.plugins.kinds import ComponentKind
from pynenc.plugins.registry import plugin_registry
from pynenc.storage.base_storage import Storage
from pynenc.storage.drivers import StorageComponent
from pynenc.testing import ComponentSuite, StorageSuite
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.basics_suite import BasicsSuite
from pynenc.testing.by_alias import OwnFolder, named
from pynenc.testing.measure_suite import MeasureSuite
from pynenc.testing.storage_fixtures import MakeStorage


def component_class(backend: str) -> type[Component]:
    """Return a component of the backend that keeps data."""
    family = plugin_registry().family(backend)
    kind = ComponentKind.ORCHESTRATOR if ComponentKind.ORCHESTRATOR in family else ComponentKind.BROKER
    return plugin_registry().load(kind, family[kind].name)


def open_storage(app_id: str, backend: str) -> Storage:
    """Return the storage of the components of a backend; at the top level, so that processes find it."""
    cls = component_class(backend)
    if not issubclass(cls, StorageComponent):
        raise TypeError(f"{cls.__name__} stands on no storage driver")
    loader = SettingsLoader({"app_id": app_id, "backend": backend})
    context = ComponentFactoryContext(loader, loader.load(ConfigPynenc).app_id, logging.getLogger("pynenc"))
    return cls.driver.open(context)


@pytest.fixture(scope="session")
def backend(pytestconfig: pytest.Config) -> str:
    """The backend that the command line names."""
    name = named(pytestconfig, "backend")
    try:
        plugin_registry().family(name)
    except ConfigError as error:
        pytest.exit(str(error), 4)
    return name


class TestStorage(OwnFolder, StorageSuite):
    """The storage driver."""

    @pytest.fixture(autouse=True)
    def driver(self, backend: str) -> None:
        """Leave out what the backend is not."""
        cls = component_class(backend)
        if not issubclass(cls, StorageComponent):
            pytest.skip(f"{cls.__name__} stands on no storage driver")
        type(self).many_processes = cls.shared_between_processes

    @pytest.fixture
    def make_storage(self, backend: str) -> MakeStorage:
        """The storage of an app."""
        return partial(open_storage, backend=backend)


class TestComponents(OwnFolder, BasicsSuite, ComponentSuite, MeasureSuite):
    """The components, the life of an invocation, and a crash at every point of it."""

    @pytest.fixture
    def make_app(self, backend: str) -> MakeApp:
        """An app with all components of the backend."""
        settings = {"backend": backend, "runner_cls": "ThreadRunner", "logging_level": "critical"}
        runner = {"max_threads": 2}
        return lambda app_id, **more: Pynenc({"app_id": app_id, "runner": runner, **settings, **more})
