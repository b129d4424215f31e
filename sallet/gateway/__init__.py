"""The measured defence in front of a live model, behind OpenAI's own API."""
