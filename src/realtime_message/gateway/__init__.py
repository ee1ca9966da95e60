"""The embedded gateway: Centrifugo's client protocol in Python, for development and tests."""
