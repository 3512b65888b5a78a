"""Runners: they execute invocations."""
