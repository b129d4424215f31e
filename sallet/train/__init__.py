"""Training of defences: purifiers on what the attack engine makes."""
