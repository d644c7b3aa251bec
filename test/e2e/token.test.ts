/** Who is let in by a node that asks for a token, and what any peer may do once it is in. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { NodeProcess, quickOptions } from '../support/node-process.ts';
import { RawPeer } from '../support/raw-peer.ts';

const token = 'open sesame';
let directory: string;
let node: NodeProcess;
const participants: ParticipantHandle[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  node = await NodeProcess.started({
    data: join(directory, 'node'),
    options: quickOptions,
    tokenFile,
  });
});

afterAll(async () => {
  await Promise.all(participants.map((participant) => participant.close()));
  await node.kill();
  await rm(directory, { recursive: true, force: true });
});

async function participant(name: string, brought: object): Promise<ParticipantHandle> {
  const handle = await serveParticipant({
    name,
    urls: [node.url],
    dataDirectory: join(directory, name),
    prepare: () => vote.commit(`done by ${name}`),
    commit: () => undefined,
    rollback: () => undefined,
    inDoubt: () => [],
    ...brought,
  });
  participants.push(handle);
  return handle;
}

describe('a node that asks for a token', () => {
  it.each(['client', 'participant', 'operator', 'node'])(
    'refuses a %s that brings none, or another',
    async (role) => {
      for (const brought of [{}, { token: 'open' }, { token: `${token} ` }, { token: '' }]) {
        const peer = await RawPeer.open(node.url);
        const hello = { type: 'hello', protocol: 1, name: 'x', instance: 'x-1', roles: [role] };
        peer.send({ ...hello, ...brought });
        expect(await peer.next('error')).toMatchObject({ code: 'UNAUTHENTICATED' });
        expect((await peer.closed).code).toBe(1008);
      }
    },
  );

  it('lets in whoever brings it, by either SDK', async () => {
    const stranger = await participant('stranger', {});
    await expect(stranger.connected({ timeoutMs: 500 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    await expect(connect({ urls: [node.url] })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await (await participant('a', { token })).connected();
    const client = await connect({ urls: [node.url], token });
    expect(await client.transact({ branches: [{ participant: 'a' }] })).toMatchObject({
      outcome: 'committed',
      results: { a: 'done by a' },
    });
    await client.close();
  });

  it('believes roles and names; who knows a txid may end its doubt by an abort, but not change what is decided', async () => {
    await (await participant('b', { token })).connected();
    const client = await connect({ urls: [node.url], token });
    const stranger = await RawPeer.greeted(node.url, {
      name: 'not enlisted',
      roles: ['participant'],
      token,
    });
    const open = await client.begin();
    await open.enlist({ participant: 'b' });
    const { txid } = open;
    expect(await stranger.ask({ type: 'resolve', id: 1, txid })).toMatchObject({
      type: 'decision',
      decision: 'abort',
    });
    expect(await open.commit()).toMatchObject({ outcome: 'aborted', reason: { code: 'FORCED' } });
    const done = await client.transact({ branches: [{ participant: 'b' }] });
    const after = await stranger.ask({ type: 'resolve', id: 2, txid: done.txid });
    expect(after).toMatchObject({ type: 'decision', decision: 'commit' });
    await stranger.close();
    await client.close();
  });
});
