/** Who is let in by a node that asks for a token, and what any peer may do once it is in. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { FakeNode } from '../support/nodes/fake-node.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';

const token = 'open-sesame';
const unknownKey = `Verdict ${'0'.repeat(16)}.${'a'.repeat(22)}`;
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

  it.each(['client', 'participant', 'operator', 'node'])(
    'refuses a %s before the upgrade that shows another there',
    async (role) => {
      for (const shown of [
        'Bearer open',
        `Basic ${token}`,
        `Bearer ${token}x`,
        'Verdict x',
        unknownKey,
      ]) {
        const headers = { authorization: shown };
        await expect(RawPeer.open(node.url, { headers }), role).rejects.toThrow('401');
      }
    },
  );

  it('is not asked by an SDK that wants to be told of another, made-up node', async () => {
    const [liar, thief] = [await FakeNode.started(), await FakeNode.started()];
    liar.leaderUrl = `ws://${thief.url}`;
    await expect(connect({ urls: [liar.url], token })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringMatching(/did not prove that it knows the token/),
    });
    const robbed = await participant('robbed', { urls: [liar.url], token });
    await expect(robbed.connected({ timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    // Both came, said nothing but what they wanted to be told, and went nowhere from there.
    expect(liar.authorizations.length).toBeGreaterThanOrEqual(2);
    const told = JSON.stringify([
      liar.authorizations,
      liar.visitors.map(({ received }) => received),
    ]);
    expect(told).not.toContain(token);
    expect(told).not.toContain('hello');
    expect(thief.authorizations).toEqual([]);
    await robbed.close({ timeoutMs: 10 });
    await liar.close();
    await thief.close();
  });

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

  it('believes roles and names; a participant resolves what it is part of, and nothing else', async () => {
    await (await participant('b', { token })).connected();
    const client = await connect({ urls: [node.url], token });
    const stranger = await RawPeer.greeted(node.url, {
      name: 'not enlisted',
      roles: ['participant'],
      token,
    });
    // Before another one comes under the participant's name, and gets half of its prepares.
    const done = await client.transact({ branches: [{ participant: 'b' }] });
    const open = await client.begin();
    await open.enlist({ participant: 'b' });
    const { txid } = open;
    const unknown = { type: 'error', code: 'UNKNOWN_TRANSACTION' };
    expect(await stranger.ask({ type: 'resolve', id: 1, txid })).toMatchObject(unknown);
    // By the name of one that is, it may end it by an abort, but not change what is decided.
    const named = await RawPeer.greeted(node.url, { name: 'b', roles: ['participant'], token });
    const resolved = await named.ask({ type: 'resolve', id: 1, txid });
    expect(resolved).toMatchObject({ type: 'decision', decision: 'abort' });
    expect(await open.commit()).toMatchObject({ outcome: 'aborted', reason: { code: 'FORCED' } });
    const after = await named.ask({ type: 'resolve', id: 2, txid: done.txid });
    expect(after).toMatchObject({ type: 'decision', decision: 'commit' });
    await named.close();
    await stranger.close();
    await client.close();
  });
});
