"""A plug-in for Sallet that lives outside of it."""
