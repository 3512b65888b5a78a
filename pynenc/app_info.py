"""Describing an app well enough to build it again elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AppInfo:
    """The origin of an app: its module, variable and settings.

    Attributes:
        app_id: Its id.
        module: The module that makes it, if known.
        app_variable: Name of the module's variable that holds it, if known.
        config_values: The values that it was made with.
        config_filepath: The settings file that it was made with.
    """

    app_id: str
    module: str | None = None
    app_variable: str | None = None
    config_values: dict[str, Any] | None = None
    config_filepath: str | None = None


def calling_module() -> str | None:
    """Name of the module that makes the app."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "pynenc":
        outer = frame.f_back
        if outer is None:
            return None
        frame = outer
    return str(frame.f_globals.get("__name__"))
