"""Telling people of what goes wrong."""
