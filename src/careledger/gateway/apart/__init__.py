"""Gateways that hold no key face the network; one worker holds the data directory, others read beside it."""
