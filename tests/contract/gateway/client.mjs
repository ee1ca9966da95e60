// Drives the official JavaScript client; the test reads the JSON lines that it prints.
// node client.mjs URL CHANNEL [TOKEN]
import { createRequire } from 'node:module';

const [, , modules, url, channel, token] = process.argv;
const require = createRequire(modules + '/');
const { Centrifuge } = require('centrifuge');
const WebSocket = require('ws');

const say = (event, value) => console.log(JSON.stringify({ event, value }));
const client = new Centrifuge(url, { websocket: WebSocket, token, name: 'js', minReconnectDelay: 50 });

client.on('connected', (ctx) => say('connected', { client: ctx.client, data: ctx.data }));
client.on('connecting', (ctx) => say('connecting', { code: ctx.code, reason: ctx.reason }));
client.on('disconnected', (ctx) => {
  say('disconnected', { code: ctx.code, reason: ctx.reason });
  process.exit(0);
});

const subscription = client.newSubscription(channel);
subscription.on('publication', (ctx) => say('publication', { data: ctx.data, offset: ctx.offset }));
subscription.on('join', (ctx) => say('join', ctx.info));
subscription.on('leave', (ctx) => say('leave', ctx.info));
subscription.on('unsubscribed', (ctx) => say('unsubscribed', { code: ctx.code }));
subscription.on('subscribed', (ctx) =>
  say('subscribed', { recovered: ctx.recovered, wasRecovering: ctx.wasRecovering }),
);

const calls = {
  publish: (data) => client.publish(channel, data),
  rpc: ({ method, data }) => client.rpc(method, data),
  presence: async () => (await subscription.presence()).clients,
  presenceStats: () => subscription.presenceStats(),
  history: async (options) => (await subscription.history(options)).publications,
  unsubscribe: async () => subscription.unsubscribe(),
  subscribe: async () => subscription.subscribe(),
  disconnect: async () => client.disconnect(),
};

async function run(line) {
  const { call, argument } = JSON.parse(line);
  try {
    say('result', (await calls[call](argument)) ?? null);
  } catch (error) {
    say('error', { code: error.code, message: error.message, temporary: error.temporary ?? false });
  }
}

let pending = Promise.resolve();
let rest = '';
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) pending = pending.then(() => run(line));
});
process.stdin.on('end', () => client.disconnect());

subscription.subscribe();
client.connect();
