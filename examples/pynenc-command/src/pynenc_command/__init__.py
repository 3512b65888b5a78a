"""Bodies that run by a command."""
