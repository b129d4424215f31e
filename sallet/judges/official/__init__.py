"""Scorers that benchmarks define themselves, to the letter where the letter matters."""
