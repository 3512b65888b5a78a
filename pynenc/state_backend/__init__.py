"""State backends: what invocations are and what came of them."""
