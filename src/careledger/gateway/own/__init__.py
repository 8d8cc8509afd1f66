"""An organisation's own writings: indexed, searched and read back inside its walls, by posts that the matrix lets."""
