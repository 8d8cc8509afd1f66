"""How an operator sets a service up: one table of settings, where each value comes from, TLS, logs."""
