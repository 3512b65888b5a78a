"""Redis and Valkey backend for pynenc: all components on one storage driver."""
