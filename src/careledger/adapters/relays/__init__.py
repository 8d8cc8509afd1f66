"""Members that relay badly, for tests of what an agent survives."""
