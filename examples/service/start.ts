/** A coordinator, the service, and three orders. Not part of what `npm create verdict` lays out. */
import { Stage } from '../../scripts/examples/stage.ts';

await using stage = new Stage(import.meta.url);
const env = { VERDICT_URLS: await stage.coordinator(), DATA_DIRECTORY: stage.data };
await stage.service('src/service.ts', { env, ready: /is ready/ });

const orders = [
  [['lamp', '2', 'order-1'], 0],
  // Once more, as after a lost answer: the same transaction.
  [['lamp', '2', 'order-1'], 0],
  // More than is left.
  [['lamp', '9', 'order-2'], 1],
] as const;
for (const [args, expected] of orders) {
  console.log(`order ${args.join(' ')}`);
  const code = await stage.program('src/order.ts', { env, args });
  if (code !== expected) throw new Error(`The order ended with ${code}, not ${expected}.`);
}
