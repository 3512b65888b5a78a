"""The description of the JSON interface, made of what its endpoints and actions say of themselves."""

from __future__ import annotations

from typing import Any

from pynenc.monitor.acting import ACTS
from pynenc.monitor.endpoints import ENDPOINTS
from pynenc.monitor.live import OF_PROGRAMS
from pynenc.monitor.shown import Context
from pynenc.plugins.registry import CORE_DISTRIBUTION, version_of

PREFIX = OF_PROGRAMS.rstrip("/")
"""The path under which the interface is served."""


def problem_object(code: int, title: str, detail: str) -> Context:
    """Return what is wrong, as RFC 9457 has it."""
    return {"type": "about:blank", "title": title, "status": code, "detail": detail}


def openapi() -> Context:
    """Return the description of the interface (OpenAPI 3.1)."""
    paths: dict[str, Any] = {}
    for each in ENDPOINTS:
        paths.setdefault(f"/{each.path}", {})["get"] = {
            "summary": each.summary,
            "parameters": [*_in_path(each.path), *map(_in_query, each.parameters.items())],
            "responses": {"200": _answer({name: {} for name in each.members}, each.members), **_PROBLEMS},
        }
    paths["/stream"] = {
        "get": {
            "summary": "Something that can be read, again whenever it has changed: events `data`, or "
            "`problem` while it cannot be read.",
            "parameters": [
                _in_query(("of", "What: one of the other paths, with its parameters beside this one."))
            ],
            "responses": {
                "200": {"description": "Server-sent events.", "content": {"text/event-stream": {}}},
                **_PROBLEMS,
            },
        }
    }
    for act in ACTS:
        path = "/" + act.path.replace(":path", "")
        names = (*act.fields, *(["dry_run"] if act.path == "jobs" else []))
        body = {
            "type": "object",
            "properties": {name: {"type": ["string", "number", "boolean"]} for name in names},
        }
        paths.setdefault(path, {})["post"] = {
            "summary": f"{act.path.replace(':path', '')}: for operators only.",
            "parameters": _in_path(path),
            "requestBody": {"content": {"application/json": {"schema": body}}},
            "responses": {
                "200": _answer({"audit_id": {"type": "string"}, "result": {"type": "string"}}, ()),
                **_PROBLEMS,
            },
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "pynenc monitor", "version": version_of(CORE_DISTRIBUTION)},
        "servers": [{"url": f"/{PREFIX}"}],
        "security": [{"bearer": []}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": paths,
    }


def _in_path(path: str) -> list[Context]:
    wanted = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return [wanted] if "{id" in path else []


def _in_query(parameter: tuple[str, str]) -> Context:
    name, meaning = parameter
    return {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}


def _answer(properties: Context, required: tuple[str, ...]) -> Context:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"description": "What was found, or done.", "content": {"application/json": {"schema": schema}}}


_PROBLEM: Context = {
    "description": "What is wrong.",
    "content": {"application/problem+json": {"schema": {"type": "object"}}},
}
_PROBLEMS = dict.fromkeys(("400", "401", "403", "404", "409", "413", "429", "503"), _PROBLEM)
