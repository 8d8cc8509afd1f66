"""Twins of the ports in memory: they enforce the same promises, and tests tell them to fail."""
