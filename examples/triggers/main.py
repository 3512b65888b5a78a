"""A pipeline in which a cron, events, results, an exception and a composite start tasks."""

import threading
import time

from tasks import app, closed, journal

runner = threading.Thread(target=app.runner.run)
runner.start()
try:
    app.trigger.emit_event("digest.wanted", {"reader": "Ada"})
    app.trigger.emit_event("feed.published", {"feed": "gossip"})  # nobody waits for this one
    app.trigger.emit_event("feed.published", {"feed": "sports"})
    closed.wait()
    while len(started := app.trigger.find_runs(state="fired")) < 12 or len(journal) < 5:
        time.sleep(0.01)
    print("\n".join(sorted(journal)))
    print("started by triggers:", len(started))
finally:
    app.runner.stop_runner_loop()
    runner.join()
