"""Peers on Redis: their apps with the same no-op task, and how to drive them."""
