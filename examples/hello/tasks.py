"""Tasks of the example."""

from pynenc import Pynenc

app = Pynenc(
    {
        "app_id": "example_hello",
        "backend": "sqlite",
        "runner_cls": "PersistentProcessRunner",
        "logging_level": "warning",
        "runner": {"num_processes": 2},
    }
)


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def total(limit: int) -> int:
    """A task may call tasks and wait for them; its worker is free meanwhile."""
    return sum(add.parallelize([(number, 1) for number in range(limit)]).results)
