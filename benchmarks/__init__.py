"""Benchmarks: ours, and peers beside us in one run."""
