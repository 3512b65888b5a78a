"""Checks of filters when a trigger is defined: what could never match is refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pynenc.exceptions import TaskDefinitionError
from pynenc.trigger.filters import COMBINATIONS, OPERATORS, has_operators, is_operators
from pynenc.trigger.plain_values import is_told_by_json


def check_filter(filter_: Any, where: str, plain: bool = False) -> None:
    """Refuse a filter that could never be evaluated, or never match.

    Args:
        filter_: The filter.
        where: What it is for, in words.
        plain: Whether it is for the payload of an event, which JSON carries.

    Raises:
        TaskDefinitionError: It is neither a mapping nor a function, names an unknown operator, or
            compares with what a payload cannot hold.
    """
    if filter_ is None or callable(filter_):
        return
    if not isinstance(filter_, Mapping):
        raise TaskDefinitionError(f"the filter of {where} is {filter_!r}: give a dictionary or a function")
    for path, wanted in filter_.items():
        if not isinstance(path, str):
            raise TaskDefinitionError(f"the filter of {where} names {path!r}: names are text")
        if path in COMBINATIONS:
            for part in _parts(path, wanted, where):
                check_filter(part, where, plain)
        elif path.startswith("$"):
            raise TaskDefinitionError(
                f"the filter of {where} has '{path}' in place of a name; beside names there are: "
                f"{', '.join(COMBINATIONS)}"
            )
        else:
            check_wanted(wanted, f"'{path}' of {where}", plain)


def check_wanted(wanted: Any, where: str, plain: bool = False) -> None:
    """Refuse a wanted value with unknown operators, or operands that do not fit.

    Raises:
        TaskDefinitionError: Names the operator.
    """
    if isinstance(wanted, Mapping) and any(str(name).startswith("$") for name in wanted):
        if not is_operators(wanted):
            unknown = next(name for name in wanted if name not in OPERATORS)
            known = "an operator" if str(unknown).startswith("$") else "a name beside operators"
            raise TaskDefinitionError(
                f"the filter of {where} has {known} '{unknown}'; there are: {', '.join(OPERATORS)}"
            )
        for name, operand in wanted.items():
            _check_operand(name, operand, where, plain)
    elif has_operators(wanted):
        check_filter(wanted, where, plain)
    elif plain and not is_told_by_json(wanted):
        raise TaskDefinitionError(
            f"the filter of {where} wants {wanted!r}, which the payload of an event cannot carry; use a "
            f"function"
        )


def _check_operand(name: str, operand: Any, where: str, plain: bool) -> None:
    if name in COMBINATIONS:
        for part in _parts(name, operand, where):
            check_wanted(part, where, plain)
        return
    if name == "$regex":
        try:
            re.compile(operand)
        except (re.error, TypeError) as error:
            raise TaskDefinitionError(f"the pattern {operand!r} of {where} is not valid: {error}") from None
        return
    if name in ("$in", "$nin"):
        if isinstance(operand, str) or not isinstance(operand, Collection):
            raise TaskDefinitionError(f"the operator '{name}' in the filter of {where} needs a list")
        if name == "$in" and not operand:
            raise TaskDefinitionError(f"the operator '$in' in the filter of {where} has an empty list")
    if has_operators(operand):
        raise TaskDefinitionError(f"the operator '{name}' in the filter of {where} needs a value")
    if plain and not is_told_by_json(operand):
        raise TaskDefinitionError(
            f"the operator '{name}' in the filter of {where} has {operand!r}, which the payload of an event "
            f"cannot carry; use a function"
        )


def _parts(name: str, operand: Any, where: str) -> list[Any]:
    if name == "$not":
        return [operand]
    if not isinstance(operand, list | tuple) or not operand:
        raise TaskDefinitionError(f"'{name}' in the filter of {where} needs a list of filters")
    return list(operand)
