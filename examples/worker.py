"""A worker that shows each message and where it was handled.

One worker, which takes all partitions:

    python examples/worker.py

Several, in terminals of their own, share the partitions automatically. To fix who takes which
(partition i belongs to worker i mod TOTAL_WORKERS):

    WORKER_ID=0 TOTAL_WORKERS=2 python examples/worker.py
    WORKER_ID=1 TOTAL_WORKERS=2 python examples/worker.py

`REDIS_URL` says where Redis is. `rtm worker examples.worker:app` runs the same app.
"""

from realtime_message import App, Context, Message
from realtime_message.worker.run import main

app = App()


@app.on_message()
async def show(message: Message, context: Context) -> None:
    """Handle a message of any channel: here goes what your backend does with it."""
    sender = message.user_name or message.user_id or "somebody"
    print(
        f"[worker {context.worker}] partition {context.partition}, {message.channel}: "
        f"{sender} says {message.text!r}",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main(app))
