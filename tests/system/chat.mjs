// Publishes with the official JavaScript client and prints what comes back, one JSON line each.
// node chat.mjs MODULES URL TOKEN CHANNEL TEXT…
import { createRequire } from 'node:module';

const [, , modules, url, token, channel, ...texts] = process.argv;
const require = createRequire(modules + '/');
const { Centrifuge } = require('centrifuge');
const WebSocket = require('ws');

const client = new Centrifuge(url, { websocket: WebSocket, token });
const subscription = client.newSubscription(channel);

// The last publication may arrive before the reply to its publish: both are waited for.
let awaited = 2 * texts.length;
function tick() {
  awaited -= 1;
  if (awaited === 0) client.disconnect();
}

subscription.on('publication', ({ data }) => {
  console.log(JSON.stringify(data));
  tick();
});
subscription.on('subscribed', async () => {
  for (const [index, text] of texts.entries()) {
    await subscription.publish({ text, id: `js-${index}` });
    tick();
  }
});
subscription.on('error', ({ error }) => {
  console.error(error.message);
  process.exit(1);
});
subscription.subscribe();
client.connect();
