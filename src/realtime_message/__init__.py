"""Every message people send over Centrifugo reaches your Python code."""
