"""Stored values as pages show them: nothing is deserialized, and secrets are masked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from pynenc.conf.config_pynenc import ArgumentPrintMode, ConfigPynenc
from pynenc.identifiers.texts import storable, visible
from pynenc.invocation.packed_text import LITERAL, REFERENCE
from pynenc.storage.sealing import SEALED

MASK = "••••"
_LONGEST = 65_536
_DEEPEST = 60
_SECRET_TEXTS = re.compile(
    r"(?P<bearer>\b[Bb]earer\s+)[\w.~+/=-]{8,}"
    r"|(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]+@"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


class Masking:
    """Shows stored texts as the settings allow.

    Args:
        conf: The settings of the app, which say how arguments appear.
        names: Parts of names whose values are not shown, in any case of letters.
    """

    def __init__(self, conf: ConfigPynenc, names: Sequence[str]) -> None:
        self._conf = conf
        self._names = tuple(name.lower() for name in names if name)

    def arguments(self, stored: str) -> list[tuple[str, str]]:
        """Return the arguments of an invocation by name, as texts."""
        if stored.startswith(SEALED):
            return [("(all)", f"sealed, {len(stored):,} characters")]
        try:
            packed = json.loads(stored)
        except (ValueError, RecursionError):
            return [("(all)", self.text(stored))]
        if not isinstance(packed, Mapping):
            return [("(all)", self.text(stored))]
        mode = self._conf.argument_print_mode
        if not self._conf.print_arguments or mode in (ArgumentPrintMode.HIDDEN, ArgumentPrintMode.KEYS):
            names = [] if mode == ArgumentPrintMode.HIDDEN else list(packed)
            return [(visible(str(name)), "not shown: 'argument_print_mode'") for name in names]
        return [(visible(str(name)), self.named(str(name), str(text))) for name, text in packed.items()]

    def named(self, name: str, packed: str) -> str:
        """Return a stored value that has a name."""
        return MASK if self._is_secret(name) else self.packed(packed)

    def packed(self, packed: str) -> str:
        """Return a stored value as text: pretty if it is JSON."""
        if packed.startswith(SEALED):
            return f"sealed, {len(packed):,} characters"
        if packed.startswith(REFERENCE):
            return "a large value, which is kept apart"
        text = packed.removeprefix(LITERAL)
        if len(text) <= _LONGEST:
            try:
                value = json.loads(text)
                return self._cut(json.dumps(self._masked(value), indent=2, ensure_ascii=False))
            except (ValueError, RecursionError):
                pass
        return self.text(text)

    def text(self, text: str) -> str:
        """Return a text without what looks like a secret, cut if it is long."""
        return self._cut(text)

    def headers(self, headers: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return headers by name."""
        return [
            (name, MASK if self._is_secret(name) else self.text(value)) for name, value in headers.items()
        ]

    def _is_secret(self, name: str) -> bool:
        low = name.lower()
        return any(part in low for part in self._names)

    def _masked(self, value: object, depth: int = 0) -> object:
        if depth > _DEEPEST:
            return "..."
        if isinstance(value, dict):
            return {
                key: MASK if self._is_secret(str(key)) else self._masked(each, depth + 1)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._masked(each, depth + 1) for each in value]
        return value

    @staticmethod
    def _cut(text: str) -> str:
        shown = visible(storable(_SECRET_TEXTS.sub(_hidden, text[: 2 * _LONGEST])))
        if len(text) <= _LONGEST:
            return shown
        return f"{shown[:_LONGEST]}\n... ({len(text):,} characters in all)"


def _hidden(found: re.Match[str]) -> str:
    if found["bearer"]:
        return found["bearer"] + MASK
    if found["scheme"]:
        return f"{found['scheme']}{MASK}@"
    return MASK
