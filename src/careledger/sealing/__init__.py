"""Keys, epochs, envelopes, streams: the only package that handles record keys."""
