"""FHIRPath, as far as FHIR R4's invariants and search parameters use it, compiled to plain functions."""
