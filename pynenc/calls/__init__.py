"""The vocabulary of calling: what is called, with which arguments and options, and what comes back."""
