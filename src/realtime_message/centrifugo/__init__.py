"""The peer's contract, pure: what Centrifugo sends, what it may be answered, how it is configured."""
