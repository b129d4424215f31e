"""Recipes, and the rows that they produced."""
