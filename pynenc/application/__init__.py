"""The parts that the app object is composed of."""
