"""The custodian's side: what it does with each message, one module per act."""
