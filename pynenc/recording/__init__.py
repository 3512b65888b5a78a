"""Counting what a process does, in memory."""
