"""Where a custodian keeps what is entrusted to it, how it is reached, and twins that lie."""
