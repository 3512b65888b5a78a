"""The body whose calls are sealed; it belongs to several apps."""


def add(x: int, y: int) -> int:
    """Do nothing worth measuring."""
    return x + y
