"""Judges: answer -> verdict. What cannot be judged is unassessed, never a guess."""
