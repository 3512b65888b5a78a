"""Cancelling, timeouts, and calls for later."""

import threading

from tasks import app, count

from pynenc.exceptions import InvocationCancelledError, InvocationTimeoutError

waiting = count(100_000)
waiting.cancel()
print("cancelled while it waited:", waiting.status.value)

runner = threading.Thread(target=app.runner.run)
runner.start()
try:
    running = count(100_000)
    while running.status.value != "running":
        pass
    running.cancel()
    try:
        running.wait()
    except InvocationCancelledError:
        print("cancelled while it ran:", running.status.value)
    try:
        count.options(timeout=0.1)(100_000).wait()
    except InvocationTimeoutError:
        print("it took longer than its timeout")
    print("later:", count.options(delay=0.1, priority=5)(1).result)
finally:
    app.runner.stop_runner_loop()
    runner.join()
