/** Somebody with a nervous finger and a bad line, and what the shop answers. Run: shopper.ts URL... */
import { randomUUID } from 'node:crypto';
import process from 'node:process';

const [first = '', second = ''] = process.argv.slice(2);

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly order: string | undefined;
}

async function order(shop: string, key: string, lamps: number, account = 'anna'): Promise<Answer> {
  const response = await fetch(`${shop}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key, 'x-user': account },
    body: JSON.stringify({ lamps, account }),
    signal: AbortSignal.timeout(30_000),
  });
  const body = (await response.json()) as { order?: string; title?: string };
  return {
    status: response.status,
    text: body.title ?? 'ordered',
    order: body.order,
  };
}

/** The page makes it with the form, and not with the click. */
const form = randomUUID();
const clicks = await Promise.all([first, second, first].map((shop) => order(shop, form, 1)));
const orders = new Set(clicks.map((click) => click.order));
tell(`three clicks at once, at two services: ${orders.size} order`, clicks);

tell('the page is loaded again, and sent again', [await order(second, form, 1)]);
tell('the same key with other content', [await order(first, form, 2)]);
tell('without a key', [await order(first, '', 1)]);
tell('more lamps than there are', [await order(second, randomUUID(), 3)]);
tell('by somebody without money', [await order(first, randomUUID(), 1, 'bert')]);

function tell(what: string, answers: readonly Answer[]): void {
  const said = answers.map(({ status, text }) => `${status} ${text}`);
  console.log(`${what}: ${[...new Set(said)].join(', ')}`);
}
