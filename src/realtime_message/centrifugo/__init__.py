"""The peer's contract, pure: what Centrifugo sends, may be answered, and is configured with."""
