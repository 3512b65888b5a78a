"""The web monitor: what an app does, in a browser."""
