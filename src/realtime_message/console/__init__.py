"""The live view of the system: one overview of it, and the web pages on it. Read-only."""
