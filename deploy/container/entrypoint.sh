#!/bin/sh
# What the image runs: an instance (gateway and callback service), or any command of `rtm`.
#
#   docker run IMAGE                          the instance
#   docker run IMAGE instance myapp:app       the instance with your hooks
#   docker run IMAGE worker myapp:app         a worker
#   docker run IMAGE rtm partitions list      any other command, with or without the word rtm
set -eu

# What the health check asks, one address a line. Not everything needs a writable folder.
health_is() {
    { mkdir -p "$RTM_DATA_DIR" && printf %s "$1" > "$RTM_DATA_DIR/health"; } 2> /dev/null || true
}

[ "${1:-}" != rtm ] || shift

case "${1:-instance}" in
    instance)
        [ "$#" -eq 0 ] || shift
        # One of an earlier start must not speak for this one; the instance writes its own.
        rm -f "$RTM_DATA_DIR/health"
        exec python -P -m realtime_message.stack.container "$@"
        ;;
    worker)
        if [ "${RTM_WORKER__METRICS_PORT:-0}" != 0 ]; then
            health_is "http://127.0.0.1:$RTM_WORKER__METRICS_PORT/health"
        else
            health_is ""
        fi
        ;;
    *)
        health_is ""
        ;;
esac
exec rtm "$@"
