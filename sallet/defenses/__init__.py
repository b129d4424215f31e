"""One defence a file; each awaits only its `via`."""
