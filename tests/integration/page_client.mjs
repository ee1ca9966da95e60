// Connects the page's client under Node, prints the state it comes to, and leaves.
// node page_client.mjs MODULES URL
import { createRequire } from 'node:module';
import { RealtimeClient } from '../../src/realtime_message/stack/page/client/client.js';

const [, , modules, url] = process.argv;
globalThis.WebSocket ??= createRequire(modules + '/')('ws');

const client = new RealtimeClient(url, { getToken: async () => 'a token' });
client.addEventListener('state', ({ detail }) => {
  if (detail.state === 'connecting') return;
  console.log(detail.state);
  if (detail.state === 'connected') client.disconnect();
  else process.exit(0);
});
client.connect();
