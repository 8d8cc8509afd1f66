"""Plain REST under /api/v1, for what FHIR has no resource for: one table row for each operation."""
