"""What a caller does: submit, hold a handle, wait; and starting what triggers and workflows start."""
