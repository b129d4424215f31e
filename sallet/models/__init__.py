"""Models that answer queries: `local` (Hugging Face, white-box) and `remote` (an endpoint)."""
