"""A gateway as a patient's agent reaches it: over HTTP, trusted for nothing."""
