"""Draining: a runner is asked to claim nothing more, and to go on later.

The wish stands in the record of the runner, where it stays until it is taken back. The runner and its
worker processes hear of it by wake-up, or else at the tenth sign of life. What runs is finished, and
signs of life go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.exceptions import RunnerError
from pynenc.lifecycle.cancellation import runner_channel
from pynenc.lifecycle.components import Components
from pynenc.state_backend.base_state_backend import DRAIN, RunnerData


def drain(components: Components, runner_id: str) -> bool:
    """Ask a live runner, with its workers, to claim nothing more; False if it was asked already.

    Args:
        components: The components.
        runner_id: Its id, or the end of it.

    Raises:
        RunnerError: There is no live runner with this id, or several with this end.
    """
    return _wish(components, runner_id, DRAIN)


def undrain(components: Components, runner_id: str) -> bool:
    """Ask a runner that drains to claim again; False if it does not drain. See `drain`."""
    return _wish(components, runner_id, "")


def is_draining(components: Components, runner_ids: Sequence[str]) -> bool:
    """Return whether one of some runners, or the runner that started it, was asked to drain."""
    own = [each for each in components.state_backend.read_runners(runner_ids) if each is not None]
    parents = [each.parent_id for each in own if each.parent_id is not None]
    above = components.state_backend.read_runners(parents) if parents else []
    return any(each is not None and each.is_draining for each in (*own, *above))


def _wish(components: Components, runner_id: str, wish: str) -> bool:
    alive = _alive(components)
    found = [each for each in alive if each.runner_id.endswith(runner_id)] if runner_id else []
    exact = [each for each in found if each.runner_id == runner_id]
    if len(exact or found) != 1:
        what = "several live runners have ids that end so" if found else "no live runner has this id"
        known = ", ".join(each.runner_id for each in alive if each.parent_id is None)
        raise RunnerError(f"'{runner_id}': {what}; alive: {known or 'none'}")
    (data,) = exact or found
    if data.wish == wish:
        return False
    components.state_backend.set_wish(data.runner_id, wish)
    workers = [each.runner_id for each in alive if each.parent_id == data.runner_id]
    components.orchestrator.announce([runner_channel(each) for each in (data.runner_id, *workers)])
    return True


def _alive(components: Components) -> list[RunnerData]:
    since = components.now() - components.conf.dead_after_seconds
    known = components.state_backend.read_runners(components.orchestrator.live_runners(since))
    return [each for each in known if each is not None]
