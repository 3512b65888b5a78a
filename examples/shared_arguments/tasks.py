"""Tasks of the example."""

from pynenc import Pynenc

app = Pynenc({"app_id": "example_shared_arguments", "runner_cls": "ThreadRunner", "logging_level": "warning"})


@app.task
def occurrences(text: str, word: str) -> int:
    return text.count(word)
