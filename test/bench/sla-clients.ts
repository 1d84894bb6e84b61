/** Clients of the live stream in a process of their own: `sla-clients.ts ADDRESS TOKEN COUNT`. Says on a line what each has got when it is asked. */
import { createInterface } from 'node:readline';

import { WebSocket } from 'ws';

const [address = '', token = '', count = '1'] = process.argv.slice(2);
const got: number[] = [];
let closed = 0;
let lastAt = 0;

await Promise.all(
  Array.from({ length: Number(count) }, (_, index) => {
    got[index] = 0;
    const url = `${address.replace('http', 'ws')}/hooks/stream`;
    const client = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } });
    client.on('message', () => {
      got[index] = (got[index] ?? 0) + 1;
      lastAt = Date.now();
    });
    client.on('close', () => closed++);
    return new Promise<void>((resolve, reject) => client.once('open', resolve).once('error', reject));
  }),
);
process.stdout.write('connected\n');
createInterface({ input: process.stdin }).on('line', () => {
  process.stdout.write(`${JSON.stringify({ least: Math.min(...got), most: Math.max(...got), closed, lastAt })}\n`);
});
