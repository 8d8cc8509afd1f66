"""The JSON-RPC server: Ethereum's tools look at the embedded chain and send to it."""
