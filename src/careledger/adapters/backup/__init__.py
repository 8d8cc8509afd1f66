"""All files of a data directory as they are at one moment, while other processes write to them."""
