"""Finding invocations among any number of them."""
