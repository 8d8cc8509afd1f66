"""FHIR R4 search: which parameters there are, what a query asks, and whether a resource answers it."""
