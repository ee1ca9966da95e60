// A worker as one would write it first: read, handle, acknowledge. `one` acknowledges each message
// on its own, `many` all of a read together.
//
//     REDIS_PORT=… WARM_UP=… TOTAL=… node drain_peer.js one|many COUNT
const Redis = require("ioredis");

const acknowledgesOneByOne = process.argv[2] === "one";
const perRead = Number(process.argv[3]);
const warmUp = Number(process.env.WARM_UP);
const total = Number(process.env.TOTAL);
const partitions = Number(process.env.PARTITIONS || 8);
const redis = new Redis({ host: "127.0.0.1", port: Number(process.env.REDIS_PORT) });

const last = new Map();
let handled = 0;
let beganAt, usedBefore;

async function onMessage(message) {
  last.set(message.channel, [message.id, message.text]);
  handled += 1;
  if (handled === warmUp) {
    beganAt = process.hrtime.bigint();
    usedBefore = process.cpuUsage();
  }
}

async function drain(partition) {
  const stream = `messages:partition:${partition}`;
  const group = `workers:partition-${partition}`;
  const reply = await redis.xreadgroup("GROUP", group, "peer", "COUNT", perRead, "STREAMS", stream, ">");
  if (reply === null) return 0;
  const entries = reply[0][1];
  for (const [id, fields] of entries) {
    await onMessage(JSON.parse(fields[1]));
    if (acknowledgesOneByOne) await redis.xack(stream, group, id);
  }
  if (!acknowledgesOneByOne) await redis.xack(stream, group, ...entries.map(([id]) => id));
  return entries.length;
}

async function main() {
  while (handled < total) {
    for (let partition = 0; partition < partitions; partition += 1) await drain(partition);
  }
  const seconds = Number(process.hrtime.bigint() - beganAt) / 1e9;
  const used = process.cpuUsage(usedBefore);
  const done = handled - warmUp;
  const result = { per_second: done / seconds, cpu_us: (used.user + used.system) / done };
  console.log(`RESULT ${JSON.stringify(result)}`);
  process.exit(0);
}

main();
