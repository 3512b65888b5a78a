"""Stored values as pages show them: nothing is deserialized, and secrets are masked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pynenc.conf.config_pynenc import ArgumentPrintMode, ConfigPynenc
from pynenc.identifiers.texts import storable, visible
from pynenc.invocation.packed_text import LITERAL, REFERENCE
from pynenc.storage.sealing import SEALED

MASK = "••••"
HIDDEN = "not shown: 'argument_print_mode'"
_DEEPEST = 60
_KEPT_APART = "a large value, which is kept apart"
_CUT = " characters in all)"


class Bounds(NamedTuple):
    """The bounds of a text that is shown, in characters.

    Attributes:
        shown: What is longer is cut.
        read: What is longer is not read as JSON, and not shown.
    """

    shown: int
    read: int


IN_PLACE = Bounds(65_536, 1_048_576)
"""The bounds of a value among others."""

ON_PAGE = Bounds(1_048_576, 16_777_216)
"""The bounds of a value that has a page of its own."""

IN_FILE = Bounds(16_777_216, 16_777_216)
"""The bounds of a value that is taken as a file."""

_SECRET_TEXTS = re.compile(
    r"(?P<scheme>[a-z0-9+.-]{1,24}://)[^\s\"']{0,300}@"
    r"|(?P<kind>\b(?:bearer|basic)\s{1,4})[\w.~+/=-]{8,}"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----.*?(?:-----END [A-Z ]{0,40}-----|\Z)",
    re.DOTALL | re.IGNORECASE | re.ASCII,
)
_VALUE = r"(?:\\*\"[^\"\n]{0,4000}\"?|'[^'\n]{0,4000}'?|[^\s,;&}\])]+)"


class Masking:
    """Shows stored texts as the settings allow.

    Args:
        conf: The settings of the app, which say how arguments appear.
        names: Parts of names whose values are not shown, in any case of letters.
    """

    def __init__(self, conf: ConfigPynenc, names: Sequence[str]) -> None:
        self._conf = conf
        self._names = tuple(name.lower() for name in names if name)
        parts = "|".join(re.escape(name) for name in self._names) or r"(?!)"
        self._named = re.compile(
            rf"(?P<name>(?:{parts})[\w.-]{{0,40}}\\*[\"']?\s{{0,4}}[:=]\s{{0,4}}){_VALUE}", re.IGNORECASE
        )

    @property
    def hides_arguments(self) -> bool:
        """True if the settings say that no argument appears."""
        hiding = (ArgumentPrintMode.HIDDEN, ArgumentPrintMode.KEYS)
        return not self._conf.print_arguments or self._conf.argument_print_mode in hiding

    def arguments(self, stored: str) -> list[tuple[str, str]]:
        """Return the arguments of an invocation by name, as texts."""
        if stored.startswith(SEALED):
            return [("(all)", f"sealed, {len(stored):,} characters")]
        mode, is_hidden = self._conf.argument_print_mode, self.hides_arguments
        try:
            packed = json.loads(stored)
        except (ValueError, RecursionError):
            packed = None
        if not isinstance(packed, Mapping):
            return [("(all)", HIDDEN if is_hidden else self.packed(stored))]
        if is_hidden:
            names = [] if mode == ArgumentPrintMode.HIDDEN else list(packed)
            return [(visible(str(name)), HIDDEN) for name in names]
        return [(visible(str(name)), self.named(str(name), str(text))) for name, text in packed.items()]

    def named(self, name: str, packed: str) -> str:
        """Return a stored value that has a name."""
        return MASK if self._is_secret(name) else self.packed(packed)

    def packed(self, packed: str) -> str:
        """Return a stored value as text: pretty if it is JSON."""
        if packed.startswith(SEALED):
            return f"sealed, {len(packed):,} characters"
        if packed.startswith(REFERENCE):
            return _KEPT_APART
        return self._pretty(packed.removeprefix(LITERAL), IN_PLACE)

    def whole(self, name: str, text: str, bounds: Bounds) -> str:
        """Return a value that has a name, and stands in no other, as text: pretty if it is JSON."""
        return MASK if self._is_secret(name) else self._pretty(text, bounds)

    def _pretty(self, text: str, bounds: Bounds) -> str:
        if len(text) <= bounds.read:
            try:
                value = json.loads(text)
            except json.JSONDecodeError:
                return self.text(text, bounds.shown)
            except (ValueError, RecursionError):
                value = None
            else:
                pretty = json.dumps(self._masked(value), indent=2, ensure_ascii=False)
                return self.text(pretty, bounds.shown)
        return f"not shown: {len(text):,} characters in which secrets cannot be told from the rest"

    def text(self, text: str, most: int = IN_PLACE.shown) -> str:
        """Return a text without what looks like a secret, cut if it is long."""
        shown = _SECRET_TEXTS.sub(_hidden, text[:most])
        shown = visible(storable(self._named.sub(lambda found: found["name"] + MASK, shown)))
        return shown if len(text) <= most else f"{shown}\n... ({len(text):,}{_CUT}"

    def tags(self, tags: Sequence[str]) -> list[str]:
        """Return tags, each as `name=value`."""
        pairs = (tag.partition("=") for tag in tags)
        return [f"{self.text(name)}={self.named(name, value)}" for name, _, value in pairs]

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


def is_part(shown: str) -> bool:
    """Return whether there is more of a value than is shown in its place."""
    return shown == _KEPT_APART or shown.endswith(_CUT)


def _hidden(found: re.Match[str]) -> str:
    if found["kind"]:
        return f"{found['kind']}{MASK}"
    if found["scheme"]:
        return f"{found['scheme']}{MASK}@"
    return MASK
