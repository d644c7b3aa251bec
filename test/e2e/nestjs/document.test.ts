/** The service of docs/NESTJS.md as it stands there, in a process that is told to end. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../../cluster/launcher/free-ports.ts';
import { connect } from '../../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../../src/participant.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../../support/nodes/node-process.ts';
import { Child } from '../../support/process/child.ts';
import { type Platform, platforms } from './platforms.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const directory = temporaryDirectory();
const children: Child[] = [];
let node: NodeProcess;
let payment: ParticipantHandle;
/** Each payment waits for it. */
let gate: Promise<void> = Promise.resolve();
let asked = 0;

beforeAll(async () => {
  node = await NodeProcess.started({ data: join(directory.path, 'node'), options: quickOptions });
  payment = await serveParticipant({
    name: 'payment',
    urls: [node.url],
    dataDirectory: join(directory.path, 'payment'),
    prepare: async () => {
      asked += 1;
      await gate;
      return vote.commit();
    },
    commit: () => undefined,
    rollback: () => undefined,
  });
});
afterAll(async () => {
  for (const child of children) await child.kill();
  await payment.close();
  await node.stop();
  directory.remove();
});

/** As the document says it for Fastify. */
const onFastify =
  /NestFactory\.create<NestFastifyApplication>\(\s*AppModule,\s*new FastifyAdapter\([^)]*\),?\s*\)/;

async function service({
  platform,
}: Platform): Promise<{ readonly child: Child; readonly address: string }> {
  const text = readFileSync(join(root, 'docs/NESTJS.md'), 'utf8');
  const [, program = ''] = /^```ts\n([\s\S]*?)^```$/m.exec(text) ?? [];
  const port = await freePort();
  const made = platform === 'Express' ? 'NestFactory.create(AppModule)' : onFastify.exec(text)?.[0];
  if (made === undefined) throw new Error('The document does not say how Fastify is used.');
  const here = program
    .replaceAll('127.0.0.1:7070', node.url)
    .replace('listen(3000,', `listen(${port},`)
    .replace('NestFactory.create(AppModule)', made)
    .replaceAll(/'verdict\/([\w-]+)'/g, (_, entry) => `'${join(root, 'src', `${entry}.ts`)}'`);
  expect(here).toContain(`listen(${port}, `);
  const app = join(directory.path, platform);
  mkdirSync(app, { recursive: true });
  const imports = "import { FastifyAdapter } from '@nestjs/platform-fastify';\n";
  const { code } = await transform(platform === 'Express' ? here : `${imports}${here}`, {
    loader: 'ts',
    target: 'es2022',
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
  });
  writeFileSync(join(app, 'package.json'), '{"type":"module"}');
  writeFileSync(join(app, 'shop.js'), code);
  const modules = join(app, 'node_modules');
  if (!existsSync(modules)) symlinkSync(join(root, 'node_modules'), modules);
  const child = new Child(join(app, 'shop.js'), { args: [], cwd: app });
  children.push(child);
  await child.line(/Nest application successfully started/);
  const address = `http://127.0.0.1:${port}`;
  // It is said before it listens.
  while (!(await fetch(address).then(Boolean, () => false))) {
    if (child.exit !== null) throw new Error(child.lines.join('\n'));
  }
  return { child, address };
}

function order(address: string, quantity: number): Promise<Response> {
  return fetch(`${address}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sku: 'lamp', quantity }),
  });
}

it.each(platforms)(
  'on $platform it sells, refuses, and on SIGTERM answers the order under way, commits it and ends',
  async (platform) => {
    const first = await service(platform);
    expect((await order(first.address, 2)).status).toBe(201);
    const refused = await order(first.address, 9);
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ type: 'urn:verdict:problem:refused' });

    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    const before = asked;
    const underWay = order(first.address, 3);
    while (asked === before) await new Promise((tick) => setTimeout(tick, 5));
    process.kill(first.child.pid, 'SIGTERM');
    await new Promise((tick) => setTimeout(tick, 200));
    resolve();
    const placed = await underWay.catch((error: unknown) => {
      throw new Error(first.child.lines.join('\n'), { cause: error });
    });
    expect(placed.status).toBe(201);
    const { order: txid } = (await placed.json()) as { order: string };
    expect(await first.child.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(first.child.lines.join('\n')).not.toMatch(/error|warn|unhandled/i);
    await using client = await connect({ urls: [node.url], name: 'shop' });
    expect((await client.status(txid)).state).toMatch(/^COMMITT/);

    // 10 - 2 - 3: what the process before has sold is sold.
    const second = await service(platform);
    expect((await order(second.address, 6)).status).toBe(409);
    expect((await order(second.address, 5)).status).toBe(201);
  },
);
