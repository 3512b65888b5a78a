"""The life of an invocation: register, claim, finish, wait, recover."""
