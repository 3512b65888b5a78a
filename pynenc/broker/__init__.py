"""Brokers: the queues between who submits and who runs."""
