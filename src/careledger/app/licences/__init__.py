"""Professional licences as SD-JWT credentials: issued, presented by who holds them, checked by the ledger, revoked."""
