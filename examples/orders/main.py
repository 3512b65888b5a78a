"""Five orders: one goes through, one is approved by a person, three are compensated."""

import threading
import time

from tasks import PaymentDeclined, app, journal, order

from pynenc.exceptions import InvocationCancelledError
from pynenc.invocation.status import InvocationStatus

runner = threading.Thread(target=app.runner.run)
runner.start()
try:
    orders = {
        "o1": order("o1", "book", 20),
        "o2": order("o2", "sofa", 1500),
        "o3": order("o3", "car", 9000),
        "o4": order("o4", "boat", 2000),
        "o5": order("o5", "pen", 3),
    }
    while not all(orders[each].waits_for == "event 'approval'" for each in ("o2", "o3", "o4")):
        time.sleep(0.01)

    app.send_event(orders["o2"].invocation_id, "approval", {"order_id": "o2", "approved": True})
    app.trigger.emit_event("approval", {"order_id": "o3", "approved": True})  # to whom it concerns
    orders["o4"].cancel()

    for order_id, invocation in orders.items():
        try:
            end = invocation.result
        except (PaymentDeclined, ConnectionError, InvocationCancelledError) as error:
            end = type(error).__name__
        print(f"{order_id}: {end}\n    " + ", ".join(journal[order_id]))
    done = app.find_workflows(order, statuses=InvocationStatus.SUCCESS)
    print("went through:", sorted(app.workflow_data(each.invocation_id)["parcel"] for each in done))
finally:
    app.runner.stop_runner_loop()
    runner.join()
