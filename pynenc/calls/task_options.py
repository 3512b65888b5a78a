"""The options of a decorator call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pynenc.conf.base_config import unknown_setting
from pynenc.conf.config_task import ConfigTask
from pynenc.exceptions import TaskDefinitionError


def given_options(
    options: Mapping[str, Any], more: Mapping[str, Any], also: tuple[str, ...]
) -> dict[str, Any]:
    """The options that were given.

    Args:
        options: Known options; None means that it was not given.
        more: What else was given: options that the signature does not name.
        also: Names that are allowed besides those of `ConfigTask`, for the message.

    Raises:
        TaskDefinitionError: Something unknown was given; names it and the nearest option.
    """
    known = (*ConfigTask.field_names(), *also)
    for name in more:
        if name not in known:
            raise TaskDefinitionError(unknown_setting(name, known, "the decorator of a task"))
    return {name: value for name, value in {**options, **more}.items() if value is not None}
