"""A thousand coroutines in one event loop: together they take hardly longer than one."""

import threading
import time

from tasks import app, square

runner = threading.Thread(target=app.runner.run)
runner.start()
try:
    begun = time.monotonic()
    group = square.parallelize([(number,) for number in range(1000)])
    print("sum of squares:", sum(group.results))
    print("faster than one after the other:", time.monotonic() - begun < 1000 * 0.2)
finally:
    app.runner.stop_runner_loop()
    runner.join()
