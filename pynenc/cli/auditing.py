"""The trail of what is done on the command line."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable

from pynenc.actions.audit import Actor, Deed, audited
from pynenc.app import Pynenc


def shell_actor() -> Actor:
    """Return who calls the command: the user of the system, at this machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return Actor(user, "shell", socket.gethostname())


def traced(app: Pynenc, deed: Deed, act: Callable[[str], str]) -> str:
    """Do something and leave a trail of it; return what came of it."""
    return audited(app.components, shell_actor(), deed, act).result
