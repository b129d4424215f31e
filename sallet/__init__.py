"""Sallet: armour for models that see. Attack, defend, measure and guard a multimodal LLM."""

__version__ = "0.1.0"
