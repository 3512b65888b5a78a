"""Findings: what was seen of an invocation, each a sentence with its evidence."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from pynenc.identifiers.texts import storable

Severity: TypeAlias = Literal["info", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """Something that was seen.

    Attributes:
        code: The kind of finding, for programs; it stays the same when the sentence is reworded.
        severity: `error` if it will not go on by itself, `warning` if it may not.
        sentence: The finding in words.
        evidence: The facts behind it, by name; times are in seconds since the epoch.
        advice: The thing to do about it, if there is one.
        related: The invocation that the finding is about, if it is another one.
    """

    code: str
    severity: Severity
    sentence: str
    evidence: dict[str, Any] = {}
    advice: str | None = None
    related: str | None = None


class Explanation(msgspec.Struct, frozen=True):
    """The answer to why an invocation is where it is.

    Attributes:
        invocation_id: The invocation.
        status: Its status, None if it is not stored.
        verdict: The answer in one sentence: that of the first finding.
        findings: Everything that was seen, the most important first.
        asked_at: The time of the question, in seconds since the epoch.
    """

    invocation_id: str
    status: str | None
    verdict: str
    findings: list[Finding]
    asked_at: float


_UNITS = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"))


def span(seconds: float) -> str:
    """Return a span of time in words, with two figures."""
    exact, seconds = max(0.0, seconds), max(0.0, round(seconds, 1))
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    if exact < 0.0995:
        return f"{exact * 1000:.0f} ms"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `3rd` and so on."""
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def many(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where that is right."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def one_line(text: str, most: int = 300) -> str:
    """Return the first line of a text, cut to a length; dots show that there is more."""
    first, _, more = storable(text).strip().partition("\n")
    return f"{first[:most]}..." if more or len(first) > most else first
