"""Parties, categories, consents, records and the decisions on them: values and pure functions only."""
