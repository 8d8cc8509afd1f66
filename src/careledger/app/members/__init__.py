"""Members known here by their certificates, and the certificates of members whose keys are here."""
