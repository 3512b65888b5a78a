"""A broker of a third party."""
