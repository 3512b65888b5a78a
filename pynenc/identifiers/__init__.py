"""Identifiers: tasks, invocations and ids derived from their cause."""
