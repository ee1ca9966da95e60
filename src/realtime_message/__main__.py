"""`python -m realtime_message` is `rtm`."""

from realtime_message.cli import main

main()
