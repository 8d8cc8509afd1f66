"""What one process of a data directory has to itself, as others of the same user reach it over a socket."""
