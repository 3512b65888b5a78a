"""Client data stores: large values, kept once."""
