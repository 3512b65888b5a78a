"""The headers of an invocation, as its handle shows them."""

from __future__ import annotations

from collections.abc import Mapping

from pynenc.conf.headers import stored_headers
from pynenc.context import current_headers, current_invocation_id


class CarriesHeaders:
    """A handle on an invocation, which has headers.

    Attributes:
        invocation_id: The id of the invocation.
    """

    __slots__ = ()
    invocation_id: str

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that were given to the call, or inherited from the invocation that made it."""
        is_running = current_invocation_id.get() == self.invocation_id
        return stored_headers(current_headers.get() if is_running else self._packed_headers())

    def _packed_headers(self) -> str | None:
        """Return the headers as they are stored."""
        return None
