"""Orders that survive crashes: validate, reserve, wait for approval, pay, ship, confirm."""

from datetime import timedelta

from pynenc import Pynenc
from pynenc.exceptions import EventTimeoutError

app = Pynenc(
    {
        "app_id": "example_orders",
        "runner_cls": "ThreadRunner",
        "runner": {"max_threads": 4},
        "logging_level": "critical",
        "workflow_park_after_seconds": 0.0,
    }
)
journal: dict[str, list[str]] = {}


class PaymentDeclined(Exception):
    """The customer's bank does not pay."""


def note(order_id: str, line: str) -> None:
    journal.setdefault(order_id, []).append(line)


@app.task
def reserve(order_id: str, item: str) -> str:
    note(order_id, f"reserved {item}")
    return f"reservation of {item}"


@app.task
def release(order_id: str, reservation: str) -> None:
    note(order_id, f"released {reservation}")


@app.task(max_retries=2, retry_for=(ConnectionError,))
def pay(order_id: str, amount: int) -> str:
    if amount > 5000:
        raise PaymentDeclined(f"{amount} is too much")
    note(order_id, f"paid {amount}")
    return f"receipt for {amount}"


@app.task
def refund(order_id: str, receipt: str) -> None:
    note(order_id, f"refunded {receipt}")


@app.task
def ship(order_id: str) -> str:
    if order_id == "o5":
        raise ConnectionError("no carrier")
    note(order_id, "shipped")
    return f"parcel {order_id}"


@app.workflow
def order(order_id: str, item: str, amount: int) -> str:
    """One order. Whatever has been done is undone, the last first, if a later part fails."""
    wf = order.wf
    wf.step("validate", lambda: note(order_id, "validated"))
    with wf.saga() as saga:
        reservation = wf.execute_task(reserve, order_id, item).result
        saga.add(release, order_id, reservation)
        if amount > 1000:
            # Holds nothing while a person makes up their mind, be it for days.
            approval = wf.wait_event("approval", {"order_id": order_id}, timeout=timedelta(days=7))
            if not approval["approved"]:
                raise EventTimeoutError("not approved")
        receipt = wf.execute_task(pay, order_id, amount).result
        saga.add(refund, order_id, receipt)
        wf.sleep(0.05)  # the customer may still cancel
        parcel = wf.execute_task(ship, order_id).result
    wf.set_data("parcel", parcel)
    wf.step("confirm", lambda: note(order_id, "confirmed"))
    return parcel
