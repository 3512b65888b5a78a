# The examples of the task decorator, as the API document has them.
from api_examples_app import app


# Basic task with no triggers
@app.task(max_retries=3)
def simple_task(x: int, y: int) -> int:
    return x + y

# Task with a single trigger using a cron schedule
from pynenc.trigger import on_cron
@app.task(triggers=on_cron("0 0 * * *"))  # Run daily at midnight
def daily_report() -> None:
    # Generate daily report
    pass

# Task with multiple triggers using different conditions
from pynenc.trigger import on_event, on_status
@app.task(
    triggers=[
        on_event("payment.completed", filters={"amount": {"$gt": 1000}}),
        on_status("validate_data", statuses=["SUCCESS"])
    ]
)
def process_important_payment(payment_id: str) -> None:
    # Process high-value payment after validation
    pass

# Task with complex trigger condition using a builder
from pynenc.trigger import TriggerBuilder
from pynenc.trigger.conditions.composite import CompositeLogic

trigger = (
    TriggerBuilder()
    .on_event("payment.received")
    .on_status("validate_payment")
    .with_logic(CompositeLogic.AND)  # Both conditions must be met
    .with_arguments(lambda ctx: {"payment_id": ctx["event"].payload["id"]})
)

@app.task(triggers=trigger)
def process_payment(payment_id: str) -> None:
    # Process payment that has been received and validated
    pass
