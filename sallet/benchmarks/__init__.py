"""One file a benchmark: samples with a query, a reference and what an attacker may want."""
