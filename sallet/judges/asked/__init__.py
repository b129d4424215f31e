"""Judges that are models: a rubric in words, a guard's two labels; their replies read strictly."""
