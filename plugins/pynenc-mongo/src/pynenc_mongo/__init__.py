"""MongoDB backend for pynenc."""
