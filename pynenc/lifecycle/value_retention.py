"""Retention of large values, which several records may refer to."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.lifecycle.components import Components
from pynenc.lifecycle.observation_retention import Going
from pynenc.storage.operations import Cursor

_PAGE = 200
_USES = 50


def large_values(components: Components, now: float, again_after_s: float) -> Going:
    """Delete large values to which no record refers.

    Nobody refers anew to a value that is due for a look, so what is not needed now never will be. Order
    of writes: the bytes, then what is known of them, so what a crash leaves is found again.

    Args:
        components: The components.
        now: The time, in seconds since the epoch; values that are due before are looked at.
        again_after_s: When to look again at those that are needed, in seconds.
    """
    while due := components.state_backend.values_to_look_at(now, _PAGE):
        needed = _needed_among(components, [each.value_id for each in due])
        gone = [each.value_id for each in due if each.value_id not in needed]
        if gone:
            components.values.delete_large(gone)
            components.state_backend.drop_values(gone)
        if needed:
            components.state_backend.look_again_at(sorted(needed), now + again_after_s)
        yield len(gone)


def _needed_among(components: Components, value_ids: Sequence[str]) -> set[str]:
    """Return the values to which a record refers; uses of records that do not are deleted.

    Of each value it goes on to the first page of uses that are all needed: there may be a million more.
    """
    store = components.state_backend
    needed: set[str] = set()
    places: dict[str, Cursor | None] = dict.fromkeys(value_ids)
    while places:
        pages = {each: store.uses_of(each, _USES, after) for each, after in places.items()}
        unneeded = store.find_unneeded_uses([use for page in pages.values() for use in page])
        if unneeded:
            store.drop_uses(unneeded)
        dropped = {use.use_id for use in unneeded}
        places = {}
        for each, page in pages.items():
            left = [use for use in page if use.use_id not in dropped]
            if left:
                needed.add(each)
            if len(page) == _USES and len(left) < len(page):
                places[each] = Cursor(page[-1].window_end, page[-1].use_id)
    return needed
