"""Workflows: what invocations belong to."""
