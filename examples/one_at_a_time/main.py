"""No two bookings of one account at the same time, while different accounts go side by side."""

import threading

from tasks import app, balances, book

runner = threading.Thread(target=app.runner.run)
runner.start()
try:
    group = book.parallelize([(account, 1) for _ in range(20) for account in balances])
    print("bookings:", len(list(group.results)))
    print("balances:", balances)
finally:
    app.runner.stop_runner_loop()
    runner.join()
