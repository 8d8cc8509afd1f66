"""A patient summary on pages: a PDF that is read, read aloud, searched and kept."""
