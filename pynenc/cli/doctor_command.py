"""`pynenc doctor`: is everything as it should be?"""

from __future__ import annotations

import platform
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import click
from rich.markup import escape

from pynenc.app import Pynenc
from pynenc.application.serving import select_executing
from pynenc.cli.config_command import effective_settings
from pynenc.cli.discovery import others_without_id
from pynenc.cli.options import as_json
from pynenc.cli.state import CliState, console, print_json
from pynenc.exceptions import StorageCorruptedError
from pynenc.explaining.facts import who
from pynenc.identifiers.texts import visible
from pynenc.invocation.status import InvocationStatus
from pynenc.plugins.kinds import ComponentKind
from pynenc.plugins.registry import plugin_registry
from pynenc.runner.base_runner import left_out_text
from pynenc.storage.records import unreadable

_SKEW_WARNING_S = 0.5
_LOOKED_AT = 100
_WITH_WORKERS, _UP_AFTER_S = ("PersistentProcessRunner", "MultiThreadRunner"), 3.0
_OK, _WARNING, _ERROR = "ok", "warning", "error"
_STYLES = {_OK: "green", _WARNING: "yellow", _ERROR: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: str
    text: str


@click.command()
@click.option("--runner", "runner_id", help="Ask about this runner only.")
@click.option("--here", is_flag=True, help="Ask about the runners of this machine only.")
@as_json
@click.pass_obj
def doctor(state: CliState, runner_id: str | None, here: bool, as_json: bool) -> None:
    """Check settings, plugins, components, connections, the clock and runners.

    The exit code is 1 if anything is wrong. For probes of containers, `pynenc runner start --health-port` is
    far cheaper.
    """
    if runner_id is not None or here:
        findings = list(_some_runners(state.app(), runner_id, here))
    else:
        findings = list(examine(state))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            style = _STYLES[finding.level]
            console().print(
                f"[{style}]{finding.level:<8}[/{style}]",
                f"{finding.subject}:",
                escape(visible(finding.text)),
                markup=True,
            )
    sys.exit(1 if any(finding.level == _ERROR for finding in findings) else 0)


def examine(state: CliState) -> Iterator[Finding]:
    """Look at one thing after the other."""
    yield Finding("python", _OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for plugin in plugin_registry().plugins:
        text = f"{plugin.distribution} {plugin.version}"
        if plugin.error:
            yield Finding(f"plugin {plugin.name}", _ERROR, f"{text}: {plugin.error}")
        else:
            yield Finding(f"plugin {plugin.name}", _OK, text)
    apps: list[Pynenc] = []
    yield _tried("app", lambda: _describe(state, apps))
    if not apps:
        return
    app = apps[0]
    select_executing(app)
    settings = _tried("settings", lambda: f"{sum(1 for _ in effective_settings(app))} settings are valid")
    yield settings
    if settings.level == _ERROR:
        return
    hazards: dict[str, None] = {}
    cautions: dict[str, None] = {}
    failed: dict[str, list[str]] = {}
    for kind in ComponentKind:
        finding = _tried(kind.value, lambda kind=kind: _component(app, kind))  # type: ignore[misc]
        if finding.level == _OK:
            yield finding
            hazards.update(dict.fromkeys(app.component_provider.get(kind).hazards()))
            cautions.update(dict.fromkeys(app.component_provider.get(kind).cautions()))
        else:
            failed.setdefault(finding.text, []).append(kind.value)
    for text, kinds in failed.items():  # one server that is away is told once
        yield Finding(", ".join(kinds), _ERROR, text)
    if alone := app.component_provider.partly_in_memory():
        yield Finding("components", _ERROR, alone)
    for unused in app.component_provider.unused_settings():
        yield Finding("settings", _WARNING, unused)
    for hazard in hazards:
        yield Finding("safety", _ERROR, hazard)
    for caution in cautions:
        yield Finding("safety", _WARNING, caution)
    if failed:
        return
    if others := others_without_id(app):
        text = (
            f"{', '.join(others)} make(s) an app without an 'app_id', too, so all of them are '{app.app_id}' "
        )
        yield Finding("app", _WARNING, f"{text}and mix their queues and results: give each an 'app_id'")
    yield _tried("start", lambda: _start(app))
    if left_out := left_out_text(app.modules_left_out()):
        yield Finding("modules", _WARNING, left_out)
    yield _tried("tasks", lambda: f"{len(app.tasks)} known: {', '.join(map(str, app.tasks)) or 'none'}")
    yield from _life(app)
    yield _triggers(app)
    yield _tried("records", lambda: _records(app))


def _some_runners(app: Pynenc, runner_id: str | None, here: bool) -> Iterator[Finding]:
    """Look at one runner, or at those of this machine."""
    try:
        now = app.orchestrator.now()
        alive = app.orchestrator.live_runners(now - app.conf.dead_after_seconds)
        ids = [runner_id] if runner_id is not None else alive
        known = app.state_backend.read_runners(ids)
        beats = app.orchestrator.last_heartbeats(ids)
    except Exception as error:  # noqa: BLE001 - what goes wrong is the finding
        yield Finding("runner", _ERROR, f"{type(error).__name__}: {error}")
        return
    host = socket.gethostname()
    found = [
        (each, data, beat)
        for each, data, beat in zip(ids, known, beats, strict=True)
        if not here or (data is not None and data.hostname == host)
    ]
    if not found:
        yield Finding("runner", _ERROR, f"none of app '{app.app_id}' is alive on {host}")
    for each, data, beat in found:
        age = "has sent no heartbeat" if beat is None else f"sent its last heartbeat {now - beat:.1f} s ago"
        level = _OK if each in alive else _ERROR
        yield Finding("runner", level, f"{who(data, each)} {age}")


def _describe(state: CliState, apps: list[Pynenc]) -> str:
    apps.append(state.app())
    return f"'{apps[0].app_id}'"


def _tried(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, _OK, look())
    except Exception as error:  # noqa: BLE001 - what goes wrong is the finding
        return Finding(subject, _ERROR, f"{type(error).__name__}: {error}")


def _component(app: Pynenc, kind: ComponentKind) -> str:
    component = app.component_provider.get(kind)
    answer = component.ping()
    return type(component).__name__ + (f" ({answer})" if answer else "")


def _start(app: Pynenc) -> str:
    """Check what would keep a runner from starting."""
    app.runner.check_start()
    return f"nothing keeps a {type(app.runner).__name__} from starting"


def _records(app: Pynenc) -> str:
    """Look at the latest records of every status, and at all triggers."""
    unreadable.clear()
    for status in InvocationStatus:
        states = app.orchestrator.find_states(status, limit=_LOOKED_AT, newest_first=True)
        app.state_backend.read_invocations([state.invocation_id for state in states])
    app.trigger.find_definitions()
    if unreadable:
        listed = "; ".join(f"{place}: {reason}" for place, reason in list(unreadable.items())[:5])
        raise StorageCorruptedError(f"{len(unreadable)} stored record(s) cannot be read: {listed}")
    return "those looked at can be read"


def _triggers(app: Pynenc) -> Finding:
    """Look for triggers that fail, and for those of the code that no runner has stored."""
    try:
        problems = app.trigger.find_problems()
        stored = {each.trigger_id for each in app.trigger.find_definitions()}
        defined = {each.stored().trigger_id for each in app.task_registry.defined_triggers()}
    except Exception as error:  # noqa: BLE001 - what goes wrong is the finding
        return Finding("triggers", _ERROR, f"{type(error).__name__}: {error}")
    told = [f"{len(stored)} stored"]
    if missing := defined - stored:
        told.append(f"{len(missing)} of the code are not stored; a runner stores them when it starts")
    told += [
        f"{each.trigger_id[:12]} of {each.task_id} failed {each.count} time(s): {each.error}"
        for each in problems[-5:]
    ]
    return Finding("triggers", _WARNING if problems or missing else _OK, visible("; ".join(told)))


def _life(app: Pynenc) -> Iterator[Finding]:
    try:
        skew = app.orchestrator.now() - time.time()
        level = _WARNING if abs(skew) > _SKEW_WARNING_S else _OK
        yield Finding("clock", level, f"{skew * 1000:+.1f} ms from the clock that runners share")
        now = app.orchestrator.now()
        since = now - app.conf.dead_after_seconds
        runners = app.orchestrator.live_runners(since)
        known = app.state_backend.read_runners(runners)
        beats = app.orchestrator.last_heartbeats(runners)
        queues = app.broker.queues()
        depths = app.broker.depth(queues)
    except Exception as error:  # noqa: BLE001 - what goes wrong is the finding
        yield Finding("life", _ERROR, f"{type(error).__name__}: {error}")
        return
    waiting = sum(depth.ready for depth in depths.values())
    told = ", ".join(
        f"{name}: {depth.ready} ready, {depth.waiting} waiting" for name, depth in depths.items()
    )
    yield Finding("queues", _OK, told or "empty")
    waiting_in = [name for name, depth in depths.items() if depth.ready]
    for name in app.components.runners.unserved(waiting_in, since) if runners else ():
        text = f"'{name}' has messages, and no live runner consumes it: 'pynenc runner start --queue {name}'"
        yield Finding("queue", _ERROR, text)
    if not runners and waiting:
        yield Finding(
            "runners",
            _ERROR,
            f"none is alive, and {waiting} message(s) wait: start one with 'pynenc runner start'",
        )
    else:
        doing = ": they look at their queues, or run something" if runners else ""
        yield Finding("runners", _OK, f"{len(runners) or 'none'} alive{doing}")
    parents = {runner.parent_id for runner in known if runner is not None}
    for each in [runner for runner in known if runner is not None and runner.parent_id is None]:
        is_up = each.runner_cls not in _WITH_WORKERS or each.runner_id in parents
        if not is_up and now - each.started_at > _UP_AFTER_S:
            text = "runs nothing, because none of its worker processes is alive: its log says why they end"
            yield Finding("runner", _ERROR, f"{each.runner_id}: {text}")
    for runner_id, runner, beat in zip(runners, known, beats, strict=True):
        told = f"{runner.runner_cls} in process {runner.pid} of {runner.hostname}" if runner else "unknown"
        age = f", last heartbeat {now - beat:.1f} s ago" if beat is not None else ""
        yield Finding("runner", _OK, f"{runner_id}: {told}{age}")
