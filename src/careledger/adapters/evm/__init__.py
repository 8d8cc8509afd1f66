"""The embedded EVM chain and the contracts on it."""
