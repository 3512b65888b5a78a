"""All suites over the serializer that `--pynenc-serializer` names."""

from __future__ import annotations

import pytest

from pynenc.app import Pynenc
from pynenc.plugins.kinds import ComponentKind
from pynenc.testing import SerializerSuite
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.basics_suite import BasicsSuite
from pynenc.testing.by_alias import OwnFolder, class_of, named


class TestSerializer(OwnFolder, BasicsSuite, SerializerSuite):
    """The serializer."""

    @pytest.fixture
    def make_app(self, pytestconfig: pytest.Config) -> MakeApp:
        """An app with the serializer."""
        name = named(pytestconfig, "serializer")
        class_of(ComponentKind.SERIALIZER, name)
        settings = {"serializer_cls": name, "logging_level": "critical"}
        return lambda app_id, **more: Pynenc({"app_id": app_id, **settings, **more})
