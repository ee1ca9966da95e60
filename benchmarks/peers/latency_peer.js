// The worker that belongs to express_peer.js: one blocking read over all streams, each message
// handled and acknowledged in turn. The handler notes for how long a message was on its way.
const Redis = require("ioredis");

const redis = new Redis({ host: "127.0.0.1", port: Number(process.env.REDIS_PORT) });
const warmUp = Number(process.env.WARM_UP);
const total = Number(process.env.TOTAL);
const streams = Array.from({ length: 8 }, (_, partition) => `peer:partition:${partition}`);
const latencies = [];

async function look(message) {
  const now = performance.timeOrigin + performance.now();
  latencies.push(now - Number(message.text.split(" ", 1)[0]) / 1e6);
  if (latencies.length === total) {
    console.log(`RESULT ${JSON.stringify(latencies.slice(warmUp))}`);
  }
}

async function main() {
  for (const stream of streams) await redis.xgroup("CREATE", stream, "peers", "0", "MKSTREAM");
  const unread = streams.map(() => ">");
  for (;;) {
    const found = await redis.xreadgroup(
      "GROUP", "peers", "peer", "COUNT", 10, "BLOCK", 5000, "STREAMS", ...streams, ...unread,
    );
    for (const [stream, entries] of found || []) {
      for (const [id, fields] of entries) {
        await look(JSON.parse(fields[1]));
        await redis.xack(stream, "peers", id);
      }
    }
  }
}

main();
