"""Evaluation: plan the cells, answer and judge every sample, sum up, say what looks wrong."""
