"""Telling the settings of an app that code makes: `python -m pynenc.cli.app_settings FD [APP]`.

The answer, JSON text, is written to the descriptor FD, so that nothing that the code prints is taken for it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from pydantic import SecretStr

from pynenc.cli.discovery import load_app
from pynenc.conf.base_config import settings_in
from pynenc.identifiers.texts import error_text, type_name

NOTHING_HERE = "no Python file in "
"""The beginning of the error that says that there is no app to be found."""


def _plain(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    raise TypeError(f"the setting {value!r} cannot be handed to another process: write it as text")


def main() -> None:
    """Entry point of the process."""
    answer: dict[str, Any]
    try:
        app = load_app(sys.argv[2] if len(sys.argv) > 2 else None)
        answer = {
            "values": app._config_values,
            "file": app._config_filepath,
            "app_id": app.app_id,
            "environment": settings_in(os.environ),
        }
        text = json.dumps(answer, default=_plain)
    except BaseException as error:  # noqa: BLE001 - a module may raise anything when it is imported
        text = json.dumps({"error": f"{type_name(type(error))}: {error_text(error)}"})
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as out:
        out.write(text)
    os._exit(0)  # threads that the code has started do not hold it up


if __name__ == "__main__":
    main()
