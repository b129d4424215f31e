"""What a run shows: a table for the terminal and one self-contained page."""
