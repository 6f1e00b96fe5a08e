"""Measurements: `python -m benchmarks` makes the accounts and files, runs every command, and writes the tables."""
