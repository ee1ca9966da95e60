"""`rtm up`: the processes of one machine, started, watched and ended together."""
