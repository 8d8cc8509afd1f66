"""FHIRPath, as far as the invariants of FHIR R4 use it, compiled to plain functions."""
