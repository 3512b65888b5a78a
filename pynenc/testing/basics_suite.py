"""The promises of every component before it does anything."""

from __future__ import annotations

from pynenc.app import Pynenc
from pynenc.plugins.component import Component, DataComponent
from pynenc.plugins.kinds import ComponentKind
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.testing.promises import check


class BasicsSuite(AppFixtures):
    """Answering, being empty, and being closed."""

    def test_the_components_can_be_made_and_answer(self, app: Pynenc) -> None:
        for component in _components(app):
            line = component.ping()
            check(
                line is None or (isinstance(line, str) and bool(line)),
                "`ping` returns a line about what the component stands on, or None if that is nothing",
                f"make the {type(component).__name__}; ping",
                line,
                "`ping`",
            )

    def test_hazards_and_cautions_are_lines(self, app: Pynenc) -> None:
        for component in _components(app):
            found = [*component.hazards(), *component.cautions()]
            check(
                all(isinstance(each, str) and each for each in found),
                "`hazards` and `cautions` are lists of lines for people",
                f"ask the {type(component).__name__} for both",
                found,
                "`hazards` and `cautions`",
            )

    def test_what_is_empty_can_be_purged(self, app: Pynenc) -> None:
        for component in _components(app):
            if isinstance(component, DataComponent):
                component.purge()
                component.purge()

    def test_what_is_closed_can_be_used_again(self, app: Pynenc) -> None:
        for component in _components(app):
            component.close()
            component.close()
            component.ping()


def _components(app: Pynenc) -> list[Component]:
    found: dict[int, Component] = {}
    for kind in ComponentKind:
        component = app.component_provider.get(kind)
        found[id(component)] = component
    return list(found.values())
