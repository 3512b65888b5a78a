"""Arguments given as plain JSON, read by the annotations of a function's parameters.

Plain JSON is what another language, a web request or a person at a terminal can write. It has no
dates and no models, so the annotation of a parameter says what is meant.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pynenc.calls.arguments import ArgumentBinder
from pynenc.exceptions import SerializationError

_ADVICE = "annotate it with a type that pydantic reads, or call the task from Python"


def read_json_arguments(function: Callable[..., Any], binder: ArgumentBinder, text: str) -> dict[str, Any]:
    """Return the arguments that a JSON text gives for a function, by parameter name.

    The values of annotated parameters are read by pydantic in its strict mode for JSON: a string
    becomes a date where a date is meant, but no number. Other values stay as JSON gives them.

    Args:
        function: The function.
        binder: Its binder.
        text: A JSON object with the arguments by name, or an array with those given by position.

    Raises:
        SerializationError: The text is not JSON, or a value does not fit its annotation.
        TypeError: The arguments do not fit the parameters.
    """
    given = _parsed(text)
    bound = binder.bind(tuple(given), {}) if isinstance(given, list) else binder.bind((), given)
    hints = _hints(function)
    return {name: _read(binder, hints, name, value) for name, value in bound.items()}


def _parsed(text: str) -> dict[str, Any] | list[Any]:
    try:
        given = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise SerializationError("the arguments are nested too deeply") from None
    except ValueError as error:
        raise SerializationError(f"the arguments are not JSON: {error}") from None
    if not isinstance(given, dict | list):
        raise SerializationError(
            "arguments are written as a JSON object with their names, or as a JSON array in their order"
        )
    return given


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except Exception as error:
        raise SerializationError(
            f"the annotations of {function.__qualname__}() cannot be resolved "
            f"({type(error).__name__}: {error}), so JSON arguments cannot be read by them"
        ) from error


def _read(binder: ArgumentBinder, hints: Mapping[str, Any], name: str, value: Any) -> Any:
    if name not in hints:
        return value
    annotation = hints[name]
    kind = binder.signature.parameters[name].kind
    if kind is inspect.Parameter.VAR_POSITIONAL:
        annotation = types.GenericAlias(tuple, (annotation, ...))
    elif kind is inspect.Parameter.VAR_KEYWORD:
        annotation = types.GenericAlias(dict, (str, annotation))
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise SerializationError(first["msg"], f"argument '{name}'{' → ' if place else ''}{place}") from None
    except Exception as error:  # an annotation may run code of its own
        raise SerializationError(
            f"{type(error).__name__}: {error}; {_ADVICE}", f"argument '{name}'"
        ) from error
