"""An organisation's edge: FHIR R4 over HTTP, decided by consent and logged, for clients that know of no ledger."""
