"""FHIR R4 JSON to record versions and back."""
