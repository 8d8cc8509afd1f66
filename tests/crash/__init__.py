"""A campaign of crashes and failures against real data directories: ``make crash``."""
