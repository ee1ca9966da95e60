"""A client of the gateway for the terminal: publishes, subscribes, comes back by itself."""
