/**
 * The services that the documentation shows, as they stand there, under orders that compete and
 * orders that make no sense.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { type Client, connect } from '../../src/client.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { Child } from '../support/process/child.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const directory = temporaryDirectory();
const children: Child[] = [];
let url: string;
let client: Client;

beforeAll(async () => {
  url = `127.0.0.1:${await freePort()}`;
  const args = ['serve', '--listen', url, '--data', join(directory.path, 'node')];
  const node = new Child('bin/verdict.mjs', { args });
  children.push(node);
  await node.line(/Ready|istening/);
  client = await connect({ urls: [url] });
});
afterAll(async () => {
  await client.close();
  for (const child of children) await child.kill();
  directory.remove();
});

/**
 * Runs the first program of a document that serves a participant with rules, under a name of its
 * own.
 */
async function serve(document: string, name: string): Promise<void> {
  const text = readFileSync(join(root, document), 'utf8');
  const program = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
    .map(([, code]) => code ?? '')
    .find((code) => code.includes('await serveParticipant') && code.includes('vote.abort'));
  if (program === undefined) throw new Error(`${document} serves nothing.`);
  const app = join(directory.path, name);
  mkdirSync(app);
  symlinkSync(join(root, 'node_modules'), join(app, 'node_modules'));
  const written = program
    .replaceAll('127.0.0.1:7070', url)
    .replace(/(?<=name: |serve\()'inventory'/, `'${name}'`)
    .replaceAll(/'verdict\/([\w-]+)'/g, (_, entry) => `'${join(root, 'src', `${entry}.ts`)}'`);
  writeFileSync(join(app, 'package.json'), '{"type":"module"}');
  writeFileSync(join(app, 'service.ts'), written);
  const child = new Child(join(app, 'service.ts'), { args: [], cwd: app });
  children.push(child);
  await child.line(/connected to a node/);
}

interface Lamps {
  readonly item: 'sku' | 'key';
  readonly count: 'quantity' | 'amount';
}

it.each<[document: string, name: string, Lamps]>([
  ['docs/FIRST-PARTICIPANT.md', 'first', { item: 'sku', count: 'quantity' }],
  ['docs/PARTICIPANTS.md', 'stored', { item: 'sku', count: 'quantity' }],
  ['README.md', 'readme', { item: 'key', count: 'amount' }],
])(
  'the service of %s sells ten lamps, whoever asks for them at once, and nothing for nonsense',
  async (document, name, { item, count }) => {
    await serve(document, name);
    const order = (payload: unknown) =>
      client.transact(
        { branches: [{ participant: name, payload }] },
        { retry: true, answer: 'applied' },
      );
    for (const nonsense of [undefined, -3, 0.5, '1']) {
      const outcome = await order({ [item]: 'lamp', [count]: nonsense });
      expect(outcome).toMatchObject({ outcome: 'aborted', reason: { code: 'VOTED_ABORT' } });
      expect(outcome.outcome === 'aborted' && outcome.reason.message).toContain(`payload.${count}`);
    }
    const orders = await Promise.all(
      Array.from({ length: 25 }, () => order({ [item]: 'lamp', [count]: 1 })),
    );
    expect(orders.filter(({ outcome }) => outcome === 'committed')).toHaveLength(10);
    for (const outcome of orders) {
      if (outcome.outcome === 'aborted') expect(outcome.reason.code).toBe('VOTED_ABORT');
    }
  },
);
