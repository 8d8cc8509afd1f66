"""The ledger on nodes elsewhere: JSON-RPC, and signed transactions that are kept until they are final."""
