"""One container: gateway and callback service under supervisord, as the image runs them.

`python -P -m realtime_message.stack.container [APP]` checks what it was given, waits for Redis and
becomes supervisord, which runs the two parts of `supervisord.conf`.
"""
