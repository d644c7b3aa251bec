/** Results that together are larger than any frame: what the client is told, and what it is not. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';

const names = ['a', 'b', 'c'];
const maxFrameBytes = 65_536;
/** One message to a peer may take a quarter of it. */
const maxBufferedBytes = 524_288;

let directory: string;
let node: NodeProcess;
let client: Client;
let participants: ParticipantHandle[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
  node = await NodeProcess.started({
    data: join(directory, 'node'),
    options: { ...quickOptions, maxFrameBytes, maxBufferedBytes },
  });
  participants = await Promise.all(
    names.map((name) =>
      serveParticipant<number, string>({
        name,
        urls: [node.url],
        dataDirectory: join(directory, name),
        prepare: ({ payload }) => vote.commit(name.repeat(payload)),
        commit: () => undefined,
        rollback: () => undefined,
        inDoubt: () => [],
      }),
    ),
  );
  await Promise.all(participants.map((participant) => participant.connected()));
  client = await connect({ urls: [node.url] });
});

afterEach(async () => {
  await client.close();
  await Promise.all(participants.map((participant) => participant.close()));
  await node.kill();
  await rm(directory, { recursive: true, force: true });
});

const branches = (bytes: number) => names.map((participant) => ({ participant, payload: bytes }));

describe('the results of one transaction', () => {
  it('arrive though together they are larger than a frame that the node itself would take', async () => {
    const outcome = await client.transact({ branches: branches(40_000) });
    expect(outcome).toMatchObject({
      outcome: 'committed',
      results: Object.fromEntries(names.map((name) => [name, name.repeat(40_000)])),
    });
  });

  it('are left out where they are larger than a quarter of what may wait for a peer: the outcome arrives', async () => {
    const outcome = await client.transact({ branches: branches(60_000) });
    expect(outcome).toMatchObject({ outcome: 'committed', results: null });
    // In the form of a peer that asks again, too, and without asking the participants again.
    const peer = await RawPeer.greeted(node.url, { name: 'raw', roles: ['client'] });
    const committed = { type: 'outcome', outcome: 'committed', results: null };
    const own = await peer.ask({ type: 'transact', id: 1, branches: branches(60_000) });
    expect(own).toMatchObject(committed);
    const { txid } = own as { readonly txid: string };
    expect(await peer.ask({ type: 'commit', id: 2, txid })).toMatchObject(committed);
    expect(await peer.ask({ type: 'status', id: 3, txid })).toMatchObject({ type: 'status' });
    await peer.close();
  });

  it('one that no node would take is refused before it becomes a vote', async () => {
    const outcome = await client.transact({ branches: branches(70_000) });
    expect(outcome).toMatchObject({ outcome: 'aborted', reason: { code: 'INVALID_RESULT' } });
  });
});
