"""The app of workers whose handlers publish: each message is answered through the server API."""

from realtime_message import App, Context, Message
from support.fault_app import note

app = App()


@app.on_message()
async def answer(message: Message, context: Context) -> None:
    """Publish, and write down when that began and that it was done."""
    note("start", message, context)
    await context.publish(f"answers:{message.channel}", {"number": message.text})
    note("end", message, context)
