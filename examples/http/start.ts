/** One shop in two frameworks, and somebody who clicks too often. */
import { freePorts } from '../../cluster/launcher/free-ports.ts';
import { Stage } from '../../scripts/examples/stage.ts';

await using stage = new Stage(import.meta.url);
const url = await stage.coordinator();
const [books = 0, ...shops] = await freePorts(3);
const env = { VERDICT_URL: url, DATA: stage.data, BOOKS_PORT: String(books) };
await stage.service('participants.ts', { env, ready: /are ready/ });
for (const [at, name] of ['fastify', 'express'].entries()) {
  await stage.service(`${name}.ts`, {
    env: { ...env, PORT: String(shops[at]) },
    ready: /is ready/,
  });
}
const args = shops.map((port) => `http://127.0.0.1:${port}`);
if ((await stage.program('shopper.ts', { args })) !== 0) throw new Error('The shopper failed.');

// A commit reaches the stores right after its answer.
const inOrder = JSON.stringify({ lamps: 2, taken: 1, cents: 15_100, paid: 1 });
const deadlineMs = performance.now() + 10_000;
let found = await booksNow();
while (found !== inOrder && performance.now() < deadlineMs) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  found = await booksNow();
}
console.log(found);
if (found !== inOrder) throw new Error('The books are not in order.');
console.log('The books are in order.');

async function booksNow(): Promise<string> {
  const signal = AbortSignal.timeout(10_000);
  const response = await fetch(`http://127.0.0.1:${books}`, { signal });
  return response.text();
}
