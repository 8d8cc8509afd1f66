"""Who people are to one organisation: how they prove it, and their sessions."""
