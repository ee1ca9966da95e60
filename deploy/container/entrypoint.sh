#!/bin/sh
# What the image runs: an instance (gateway and callback service), or any command of `rtm`.
#
#   docker run IMAGE                          the instance
#   docker run IMAGE instance myapp:app       the instance with your hooks
#   docker run IMAGE worker myapp:app         a worker
#   docker run IMAGE rtm partitions list      any other command, with or without the word rtm
set -eu

[ "${1:-}" != rtm ] || shift

case "${1:-instance}" in
    instance)
        [ "$#" -eq 0 ] || shift
        exec python -P -m realtime_message.stack.container "$@"
        ;;
    worker)
        # What the health check asks; an instance writes its own. A worker needs no writable folder.
        if [ "${RTM_WORKER__METRICS_PORT:-0}" != 0 ]; then
            mkdir -p "$RTM_DATA_DIR" && echo "http://127.0.0.1:$RTM_WORKER__METRICS_PORT/health" \
                > "$RTM_DATA_DIR/health" || true
        fi 2> /dev/null
        ;;
esac
exec rtm "$@"
