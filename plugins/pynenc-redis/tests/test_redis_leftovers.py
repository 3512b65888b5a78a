"""Nothing grows for ever in Redis."""

from __future__ import annotations

from collections import Counter

from leftovers import Everything
from redis import Redis
from redis_apps import make_app


def keys(url: str, app_id: str) -> Counter[str]:
    """Return how many keys of each kind an app has, with the sizes of sets and indexes."""
    counts: Counter[str] = Counter()
    with Redis.from_url(url, decode_responses=True) as client:
        for key in client.scan_iter(match=f"pynenc:{{{app_id}}}*", count=1000):
            kind = ":".join(str(key).split(":")[2:4])
            counts[kind] += client.zcard(key) if client.type(key) == "zset" else 1
    return counts


def test_nothing_is_left_in_redis(redis_url: str) -> None:
    app = make_app(redis_url, "leftovers")
    app.purge()
    everything = Everything(app)
    everything.live(0)
    full = keys(redis_url, "leftovers")
    everything.clean()
    left = keys(redis_url, "leftovers")
    assert {kind for kind in left if kind.startswith("r:")} - {"r:process_counts"} == {
        "r:trigger",
        "r:trigger_mark",
    }
    assert not any(kind.startswith(("b:", "q:")) for kind in left), left
    for number in range(1, 4):
        everything.live(number)
    everything.clean()
    assert keys(redis_url, "leftovers") == left
    assert len(full) > 3 * len(left)
    app.purge()
