"""The index of an organisation's own writings: one file, encrypted page by page, that can be made again."""
