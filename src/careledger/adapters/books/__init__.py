"""What one actor remembers between acts: rows in SQLite, each value encrypted."""
