// What most teams would write: Express 4 and ioredis, one XADD for each publish.
// PORT, REDIS_PORT and WORKERS (processes, by Node's own cluster) come from the environment.
const cluster = require("cluster");
const crypto = require("crypto");

const workers = Number(process.env.WORKERS || 1);
if (workers > 1 && cluster.isPrimary) {
  for (let i = 0; i < workers; i++) cluster.fork();
} else {
  serve();
}

function partitionOf(channel) {
  return crypto.createHash("md5").update(channel).digest().readUInt32BE(0) % 8;
}

function serve() {
  const express = require("express");
  const Redis = require("ioredis");
  const { v4: uuidv4 } = require("uuid");
  const redis = new Redis({ host: "127.0.0.1", port: Number(process.env.REDIS_PORT) });
  const app = express();
  app.use(express.json());

  app.get("/health", (_, response) => response.json({ status: "alive" }));
  app.post("/centrifugo/publish", async (request, response) => {
    const { client, user, channel, data } = request.body || {};
    const text = data && data.text;
    if (!channel || !user || typeof text !== "string" || !text.trim() || text.length > 5000) {
      return response.json({ error: { code: 400, message: "bad request" } });
    }
    const id = uuidv4();
    const timestamp = new Date().toISOString();
    const partitionId = partitionOf(channel);
    const payload = {
      id, channel, partitionId, userId: user, userName: user, text, timestamp,
      raw: JSON.stringify(data), clientId: client,
    };
    try {
      await redis.xadd(
        `peer:partition:${partitionId}`, "*", "payload", JSON.stringify(payload),
      );
    } catch {
      return response.json({ error: { code: 503, message: "unavailable", temporary: true } });
    }
    response.json({ result: { data: { ...data, id, user: { id: user, name: user }, timestamp } } });
  });
  app.listen(Number(process.env.PORT), "127.0.0.1");
}
