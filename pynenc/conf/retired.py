"""Settings that other versions of this API have and that do nothing here."""

from __future__ import annotations

import logging

logger = logging.getLogger("pynenc.conf")

RETIRED = {
    "arg_cache_cls": "use 'client_data_store_cls', which also keeps large results",
    "cycle_control": "tasks that wait for each other in a circle are always found; leave it out",
    "queue_timeout_sec": (
        "runners block until a message comes; 'runner_loop_sleep_time_sec' says when one looks by itself "
        "in case a wake-up was lost"
    ),
}
"""The settings, and what to do instead."""

_told: set[str] = set()


def is_retired(name: str, origin: str) -> bool:
    """Return whether a setting is one of these, after warning about it once."""
    if name not in RETIRED:
        return False
    if name not in _told:
        _told.add(name)
        logger.warning("setting '%s' (from %s) has no effect: %s", name, origin, RETIRED[name])
    return True
