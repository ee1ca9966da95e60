"""`rtm doctor`: looks at an installation from inside and outside, and says what to do."""
