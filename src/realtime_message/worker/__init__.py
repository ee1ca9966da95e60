"""Pipeline 2: from an entry of a stream to a user's handler and back. Begins in worker.py."""
