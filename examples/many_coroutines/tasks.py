"""Tasks of the example."""

import asyncio

from pynenc import Pynenc

app = Pynenc({"app_id": "example_many_coroutines", "runner_cls": "AsyncRunner", "logging_level": "warning"})


@app.task
async def square(number: int) -> int:
    await asyncio.sleep(0.2)  # a request to somebody else, say
    return number * number
