"""One module for each proxy event."""
