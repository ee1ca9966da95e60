"""What most Python teams would write: FastAPI and redis-py, one XADD for each publish."""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime
from hashlib import md5

import redis.asyncio
from fastapi import FastAPI
from pydantic import BaseModel, Field

app = FastAPI()
streams = redis.asyncio.Redis(host="127.0.0.1", port=int(os.environ["REDIS_PORT"]))


class Data(BaseModel):
    """A chat message."""

    text: str = Field(min_length=1, max_length=5000)


class Publish(BaseModel):
    """A publish event."""

    client: str
    user: str = Field(min_length=1)
    channel: str = Field(min_length=1)
    data: Data


@app.get("/health")
async def health() -> dict:
    return {"status": "alive"}


@app.post("/centrifugo/publish")
async def publish(event: Publish) -> dict:
    digest = md5(event.channel.encode(), usedforsecurity=False).digest()
    partition = int.from_bytes(digest[:4], "big") % 8
    message_id, timestamp = str(uuid.uuid4()), datetime.now(UTC).isoformat()
    payload = {
        "id": message_id,
        "channel": event.channel,
        "partitionId": partition,
        "userId": event.user,
        "userName": event.user,
        "text": event.data.text,
        "timestamp": timestamp,
        "raw": event.data.model_dump_json(),
        "clientId": event.client,
    }
    await streams.xadd(f"peer:partition:{partition}", {"payload": json.dumps(payload)})
    user = {"id": event.user, "name": event.user}
    data = {**event.data.model_dump(), "id": message_id, "user": user, "timestamp": timestamp}
    return {"result": {"data": data}}
