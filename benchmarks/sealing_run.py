"""What signatures and codecs cost: `python -m benchmarks.sealing_run`.

Each setting has an app and a SQLite file of its own, in this process. They take turns, so that what
else the machine does hits all of them; the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from benchmarks import sealing_tasks
from pynenc import Pynenc

KEY = Fernet.generate_key().decode()
SETTINGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "signed": {"signing_keys": [secrets.token_urlsafe()]},
    "zstd": {"codec": ["zstd"]},
    "fernet": {"codec": ["fernet"], "codec_keys": [KEY]},
    "signed, zstd, fernet": {
        "signing_keys": [secrets.token_urlsafe()],
        "codec": ["zstd", "fernet"],
        "codec_keys": [KEY],
    },
}


def measure(app: Pynenc, count: int) -> dict[str, float]:
    """Submit one by one, then drain."""
    task = app.find_task("benchmarks.sealing_tasks.add")
    begun = time.perf_counter()
    calls = [task(number, 1) for number in range(count)]
    submitted = time.perf_counter() - begun
    runner = app.runner
    thread = threading.Thread(target=runner.run)
    thread.start()
    _ = calls[0].result
    begun = time.perf_counter()
    for call in calls:
        _ = call.result
    drained = time.perf_counter() - begun
    runner.stop_runner_loop()
    thread.join()
    app.purge()
    return {"submit, µs": submitted / count * 1e6, "drained and read, µs": drained / count * 1e6}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        apps = {name: _app(name, Path(folder), settings) for name, settings in SETTINGS.items()}
        for _ in range(options.rounds):
            for name, app in apps.items():
                figures = measure(app, options.count)
                known = best.setdefault(name, figures)
                best[name] = {what: min(known[what], value) for what, value in figures.items()}
        for app in apps.values():
            app.close()
    for name, figures in best.items():
        print(f"{name:<22}", ", ".join(f"{what} {value:,.0f}" for what, value in figures.items()))


def _app(name: str, folder: Path, settings: dict[str, Any]) -> Pynenc:
    app = Pynenc(
        {
            "app_id": name,
            "backend": "sqlite",
            "sqlite_db_path": str(folder / f"{list(SETTINGS).index(name)}.db"),
            "runner_cls": "ThreadRunner",
            "max_threads": 2,
            "logging_level": "error",
            **settings,
        }
    )
    app.task(sealing_tasks.add)
    return app


if __name__ == "__main__":
    main()
