"""The board where members post sealed packages and publish their public sealing keys."""
