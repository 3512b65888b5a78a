"""A pipeline of news feeds: nothing is called, everything is started by what occurs."""

import threading
from typing import Any

from pynenc import Pynenc
from pynenc.trigger import TriggerBuilder, on_cron, on_event, on_exception, on_status

app = Pynenc(
    {
        "app_id": "example_triggers",
        "runner_cls": "ThreadRunner",
        "runner": {"max_threads": 4},
        "logging_level": "critical",
    }
)
FEEDS: dict[str, list[str]] = {
    "hourly": ["rain in Oslo"],
    "sports": ["final on Sunday", "???", "new coach"],
}
journal: list[str] = []
closed = threading.Event()


def note(line: str) -> None:
    journal.append(line)


def source_of(context: Any) -> dict[str, str]:
    return {"source": context.payload["feed"]}


def failed_item(context: Any) -> dict[str, str]:
    return {"item": context.arguments["item"], "reason": context.exception_message}


# A real one would say "0 * * * *"; the cap makes this one start once, however long the example runs.
each_hour = on_cron("* * * * * *").with_args_static({"source": "hourly"}).with_rate_cap(1, per=3600)
published = on_event("feed.published", {"feed": {"$in": ["sports", "weather"]}}).with_args_from_event(
    source_of
)


@app.task(triggers=[each_hour, published])
def ingest(source: str) -> int:
    """Read a feed and tell of every item in it."""
    for number, item in enumerate(FEEDS[source]):
        app.trigger.emit_event("item.found", {"item": item}, event_id=f"{source}-{number}")
    return len(FEEDS[source])


@app.task(triggers=on_event("item.found"))
def enrich(item: str) -> str:
    if "?" in item:
        raise ValueError("cannot be read")
    return item.title()


@app.task(
    triggers=TriggerBuilder().on_any_result(enrich).with_args_from_result(lambda ctx: {"title": ctx.result})
)
def notify(title: str) -> None:
    note(f"notified: {title}")


@app.task(triggers=on_exception(enrich, ValueError).with_args_from_exception(failed_item))
def set_aside(item: str, reason: str) -> None:
    note(f"set aside: {item} ({reason})")


# Made when a reader has asked for it and the sports have come in, in whichever order.
asked_and_there = (
    TriggerBuilder()
    .on_event("digest.wanted")
    .on_status(ingest, call_arguments={"source": "sports"})
    .with_logic("and")
    .with_arguments(lambda ctx: {"reader": ctx["event"].payload["reader"]})
)


@app.task(triggers=asked_and_there)
def digest(reader: str) -> None:
    note(f"digest for {reader}")


@app.task(triggers=on_status(digest))
def close() -> None:
    closed.set()
