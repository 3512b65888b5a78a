"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import click

from pynenc.identifiers.spans import span_seconds
from pynenc.invocation.status import InvocationStatus

F = TypeVar("F", bound=Callable[..., Any])

statuses_option = click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in InvocationStatus], case_sensitive=False),
    help="Only those with this status; may be given several times.",
)
_FILTERS = {
    "task": "Only those of this task, as module.function; with * a pattern.",
    "queue": "Only those of this queue.",
    "workflow": "Only those of this workflow.",
    "parent": "Only those that the body of this invocation has submitted.",
    "runner": "Only those that this runner has claimed.",
    "since": "Only those made since then: a span such as 2h, or a time such as 2026-01-31T09:00 (UTC).",
    "until": "Only those made before then.",
    "error": "Only those that failed with an exception of this class.",
    "tag": "Only those with this tag, as name=value.",
    "arg": "Only those with this text in their stored arguments.",
    "trigger": "Only those that this trigger has started.",
    "failures": "Only those that failed in this group.",
    "version": "Only workflows that began with this version of the code.",
}
_BARE = ("since", "until", "arg", "trigger", "failures", "version", "workflow", "parent", "runner")


WORDS_WITH_DASHES = {"ignore_unknown_options": True}
"""The settings of a command that takes words such as `-task:noise`."""


def filter_options(*names: str) -> Callable[[F], F]:
    """Give a command the options for searching, each as an argument of the same name."""

    def decorate(command: F) -> F:
        for name in reversed(names):
            several = name not in _BARE
            command = click.option(f"--{name}", multiple=several, help=_FILTERS[name])(command)
        return command

    return decorate


def line_of(words: Sequence[str], statuses: Sequence[str], given: Mapping[str, Any]) -> str:
    """Return the line of a search, from words of it and the options of `filter_options`."""
    for word in words:
        if word.startswith("--"):
            raise click.NoSuchOption(word.partition("=")[0])
    parts = [*words, *(f"status:{','.join(statuses)}" for _ in statuses[:1])]
    for name, value in given.items():
        values = [value] if isinstance(value, str) else list(value or ())
        if name == "tag":
            parts += [f"tag:{_quoted_tag(each)}" for each in values]
        elif values:
            parts.append(f"{name}:{','.join(_quoted(each) for each in values)}")
    return " ".join(parts)


def _quoted(text: str) -> str:
    if '"' in text:
        raise click.UsageError(f"{text!r} holds a double quote, which a search cannot look for")
    return f'"{text}"'


def _quoted_tag(text: str) -> str:
    name, equals, value = text.partition("=")
    return f"{name}{equals}{_quoted(value)}" if equals else name


limit_option = click.option(
    "--limit", type=click.IntRange(1, 10**9), default=20, show_default=True, help="Most to print."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")

_LONGEST_S = 20 * 365 * 86400.0


class Span(click.ParamType[timedelta]):
    """A span of time, such as `90m`."""

    name = "span"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            seconds = span_seconds(str(value))
        except OverflowError:
            seconds = None
        if not seconds or seconds > _LONGEST_S:
            self.fail(f"'{value}' is not a span such as 30s, 10m, 2h or 7d", param, context)
        return timedelta(seconds=seconds)
