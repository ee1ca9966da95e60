"""`rtm monitor`: the overview in a terminal, live or as one frame of text."""
