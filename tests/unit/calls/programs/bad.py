"""A program of a user with mistakes that type checkers find: the lines that say so, and no others."""

from __future__ import annotations

from pynenc import Pynenc

app = Pynenc({"app_id": "mistyped"})


@app.task
def add(x: int, y: int = 1) -> int:
    return x + y


@app.task
async def fetch(url: str) -> bytes:
    return url.encode()


def plain(x: int) -> int:
    return x


one = app.task(max_retry=3)(plain)  # error
two = app.task(max_retries="3")(plain)  # error
three = app.task(queue=7)(plain)  # error
four = app.direct_task(triggers=None)(plain)  # error
five = app.workflow(retry_fro=(ValueError,))(plain)  # error
six = app.task(running_concurrency="often")(plain)  # error
seven = add.options(dealy=5)  # error
eight = add.options(queue=7)  # error
nine = add("1")  # error
ten: str = add(1).result  # error
eleven: str = fetch("u").result  # error
twelve = add(1, 2, 3)  # error
thirteen = add(z=1)  # error
fourteen = add.options(priority=1)("1")  # error
fifteen: list[str] = add.parallelize([(1,)]).result  # error
sixteen = add.paralelize([(1,)])  # error
seventeen = add.delay(1, 2)  # error
eighteen = add(1).get()  # error
nineteen = app.send_task("x")  # error
twenty = add.options(countdown=5)  # error
twenty_one = add.options(idempotency_key="k", idempotency_ttl="1 day")(1)  # error
twenty_two = app.task(plain, bind=True)  # error
