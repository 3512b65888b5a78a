"""Typed settings: the models and where their values come from."""
