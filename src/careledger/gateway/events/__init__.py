"""What happened that an organisation's posts care for: kept durably, and told to those who may know of it."""
