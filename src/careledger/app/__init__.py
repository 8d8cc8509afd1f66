"""The composition root: settings, adapters and workflows put together over one data directory."""
