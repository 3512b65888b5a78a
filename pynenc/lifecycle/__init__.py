"""The life of an invocation: every rule about statuses, slots, recovery, parking and waiting."""
