"""A package of the project."""
