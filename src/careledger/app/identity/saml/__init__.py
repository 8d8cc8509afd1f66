"""SAML 2.0 at an organisation's identity provider: what its metadata says, and whom an answer of it proves."""
