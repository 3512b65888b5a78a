"""A task that fails now and then, with growing pauses between its tries."""

import threading

from tasks import app, fetch

runner = threading.Thread(target=app.runner.run)
runner.start()
try:
    invocation = fetch(3)
    print(invocation.result)
    print(" -> ".join(entry.status.value for entry in invocation.history))
    try:
        fetch(9).wait()
    except ConnectionError as error:
        print("given up:", error)
finally:
    app.runner.stop_runner_loop()
    runner.join()
