"""Explaining in plain words why an invocation waits, failed or ran again."""

from pynenc.identifiers.doors import lazy_door

__getattr__, __dir__, __all__ = lazy_door(
    __name__,
    {
        "Explanation": "pynenc.explaining.findings",
        "Finding": "pynenc.explaining.findings",
        "explain": "pynenc.explaining.explanation",
    },
)
