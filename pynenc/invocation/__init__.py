"""Invocations: the status machine and the handles that users hold."""
