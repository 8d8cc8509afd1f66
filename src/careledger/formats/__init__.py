"""Every byte that is stored, signed or sent: the executable side of docs/formats.md."""
