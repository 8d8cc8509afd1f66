"""Content-addressed block storage in segment files."""
