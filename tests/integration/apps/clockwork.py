"""An app whose task starts every second; its settings come from the environment."""

from __future__ import annotations

from pynenc import Pynenc
from pynenc.trigger import on_cron, on_event

app = Pynenc({"app_id": "clockwork"})


def second_of(context: object) -> dict[str, int]:
    return {"second": int(context.timestamp.timestamp())}  # type: ignore[attr-defined]


@app.task(
    triggers=on_cron("* * * * * *", misfire="fire_all").with_args_provider(lambda ctx: second_of(ctx["cron"]))
)
def tick(second: int) -> int:
    return second


@app.task(triggers=on_event("note", lambda payload: payload["number"] % 2 == 0))
def note(number: int) -> int:
    return number
