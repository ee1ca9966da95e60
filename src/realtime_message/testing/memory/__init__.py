"""The streams in memory: no server, the same contract (streams/contracts.py)."""
