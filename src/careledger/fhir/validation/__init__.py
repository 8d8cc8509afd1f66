"""Whether a resource is what FHIR R4 allows: structure, formats, codes, reference targets and invariants."""
