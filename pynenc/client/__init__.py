"""The caller's side: submitting, handles, waiting, and starting what triggers and workflows start."""
