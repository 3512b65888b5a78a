"""Tasks of the example."""

from pynenc import Pynenc

app = Pynenc({"app_id": "example_retries", "runner_cls": "ThreadRunner", "logging_level": "warning"})


@app.task(retry_for=(ConnectionError,), max_retries=3, retry_delay=0.05, retry_backoff=2, retry_jitter=0.5)
def fetch(works_at_try: int) -> str:
    tries = fetch.invocation.num_retries + 1
    if tries < works_at_try:
        raise ConnectionError(f"try {tries} failed")
    return f"there at try {tries}"
