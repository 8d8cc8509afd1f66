"""A custodian's own directory: rows, shred keys, log and signing keys."""
