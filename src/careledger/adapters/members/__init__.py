"""Other members over a network: TLS 1.3 in which both sides prove who they are, and a custodian's calls over it."""
