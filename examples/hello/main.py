"""Calls and groups, executed by worker processes on SQLite.

Usually the runner is started on its own, with `pynenc runner start`; here it runs in a thread
of this script, so that one command shows everything.
"""

import threading

from tasks import add, app, total

runner = threading.Thread(target=app.runner.run)
runner.start()
try:
    print("one call:", add(1, 2).result)
    group = add.parallelize([(number, number) for number in range(10)])
    print("ten calls:", list(group.results))
    print("tasks that wait for tasks:", total(20).result)
finally:
    app.runner.stop_runner_loop()
    runner.join()
