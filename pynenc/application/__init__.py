"""What the app object is composed of."""
