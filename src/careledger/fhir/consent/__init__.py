"""FHIR R4 Consent to the ledger's consents and back: the same meaning, or a refusal that names the path."""
