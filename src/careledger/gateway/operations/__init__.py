"""FHIR operations, one module each: its routes, and what it does."""
