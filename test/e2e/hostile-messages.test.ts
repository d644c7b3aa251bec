/**
 * Messages that are forged, malformed or too large, of every type there is, against a node at work.
 * Types and fields come from the tables of src/wire, so that a new message is covered by itself.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { FromNode, Prepare, ToNode } from '../../src/core/messages.ts';
import { peerRoles } from '../../src/core/messages.ts';
import type { Txid } from '../../src/core/txid.ts';
import { rolesFor } from '../../src/node/may-ask.ts';
import { toNodeShapes } from '../../src/wire/shapes-to-node.ts';
import { type Fields, refused } from '../../src/wire/validators.ts';
import { besides } from '../support/clients/good-company.ts';
import { makeTxid, txidParts } from '../support/core/txids.ts';
import { readLog } from '../support/logs/log-contents.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { eventually, pause } from '../support/process/child.ts';
import { toNodeSamples } from '../support/samples/samples.ts';
import { limits } from '../support/samples/wire.ts';

const types = Object.keys(toNodeShapes) as ToNode['type'][];
const requests = types.filter((type) => 'id' in toNodeShapes[type] && type !== 'error');
const withTxid = types.filter((type) => 'txid' in toNodeShapes[type]);

let cluster: Cluster;
let client: Client;
let serial = 1_000_000;

beforeAll(async () => {
  cluster = await Cluster.started({ participants: ['a', 'b'] });
  client = await cluster.client();
});

afterAll(async () => {
  expect(await cluster.settled({ retired: ['r', 'inventory', 'payment', 'shipping'] })).toEqual([]);
  expect(cluster.node.alarms()).toEqual([]);
  await cluster.remove();
});

/** One that may say anything. */
function greedy(): Promise<RawPeer> {
  return RawPeer.greeted(cluster.node.url, { name: 'mallory', roles: peerRoles });
}

/** Its answer when it is alive and its node too. */
async function ping(peer: RawPeer): Promise<void> {
  serial += 1;
  const reply = await peer.ask({ type: 'info', id: serial });
  expect(reply.type).toBe('info');
}

const expectedCodes = /^(INVALID_MESSAGE|LIMIT_EXCEEDED|TOO_LARGE|UNSUPPORTED_VERSION)$/;
const strangers: readonly unknown[] = [null, true, -1, 1.5, '', ' \u0000', [], {}, [[]], { a: 1 }];

describe('every message of a peer to a node', () => {
  it.each(types)(
    '%s without a field, or with one of a wrong kind: an error, and life goes on',
    async (type) => {
      const fields: Fields = toNodeShapes[type];
      const sample = toNodeSamples[type] as unknown as Record<string, unknown>;
      const broken: Record<string, unknown>[] = [];
      for (const [name, field] of Object.entries(fields)) {
        const { [name]: _left, ...without } = sample;
        if (!field.optional) broken.push(without);
        // Of no importance to what the message asks for: a broken one counts as absent.
        if (field.lenient === true) continue;
        // A map where a list or a text belongs, and the like: whatever the field's own rule
        // refuses.
        for (const stranger of strangers) {
          if (refuses(field, stranger)) broken.push({ ...sample, [name]: stranger });
        }
      }
      const bad = await besides(cluster, client, async () => {
        // A connection is closed after a hundred of them, and after one before hello: a fresh one
        // for each few.
        const atOnce = type === 'hello' ? 1 : 50;
        for (let from = 0; from < broken.length; from += atOnce) {
          const peer = type === 'hello' ? await RawPeer.open(cluster.node.url) : await greedy();
          const some = broken.slice(from, from + atOnce);
          for (const message of some) peer.send(message);
          await eventually(
            () => (peer.count('error') >= some.length ? true : null),
            () => `${some.length} errors for ${type}; there came ${peer.count('error')}`,
          );
          for (const each of peer.received.filter(isError)) {
            expect(each.code).toMatch(expectedCodes);
          }
          if (type !== 'hello') await ping(peer);
          await peer.close();
        }
      });
      expect(bad).toEqual([]);
    },
  );

  it.each(requests.filter((type) => type !== 'renew'))(
    '%s by a peer that has not the role: FORBIDDEN',
    async (type) => {
      const bad = await besides(cluster, client, async () => {
        for (const role of peerRoles) {
          const peer = await RawPeer.greeted(cluster.node.url, {
            // A participant enlists only itself: let it be the one of the sample.
            name: toNodeSamples.enlist.participant,
            roles: [role],
          });
          serial += 1;
          const { requestId: _one, ...sample } = toNodeSamples[type] as unknown as Record<
            string,
            unknown
          >;
          const reply = await peer.ask({ ...sample, type, id: serial, timeoutMs: 50 });
          // What the role allows is answered in some way of its own; the made-up txid makes it
          // harmless.
          const mayAsk = rolesFor[type as keyof typeof rolesFor].includes(role);
          expect(isError(reply) && reply.code === 'FORBIDDEN', `${type} by ${role}`).toBe(!mayAsk);
          await peer.close();
        }
      });
      expect(bad).toEqual([]);
    },
  );

  it.each(withTxid)('%s with a made-up txid: no decision comes of it', async (type) => {
    const begun = await cluster.history.interactive(client, { a: {} });
    const real = begun.txid as Txid;
    const { epoch, sequence } = txidParts(real);
    const forged = [sequence, sequence + 1_000_000, 1].map((each) =>
      makeTxid({ shard: 0, epoch, sequence: each, random: 'f'.repeat(13) }),
    );
    forged.push(
      toNodeSamples.commit.txid,
      makeTxid({ shard: 35, epoch, sequence, random: 'f'.repeat(13) }),
    );
    const bad = await besides(cluster, client, async () => {
      const peer = await greedy();
      for (const txid of forged) {
        serial += 1;
        peer.send({ ...toNodeSamples[type], id: serial, txid });
      }
      await ping(peer);
      await pause(50);
      for (const reply of peer.received) {
        expect(reply).not.toMatchObject({ type: 'outcome', outcome: 'committed' });
        expect(reply).not.toMatchObject({ type: 'decision', decision: 'commit' });
      }
      await peer.close();
    });
    expect(bad).toEqual([]);
    const { records } = readLog(cluster.log);
    for (const txid of forged) expect(records.map((each) => each.txid)).not.toContain(txid);
  });
});

describe('a message about somebody else’s branch', () => {
  it('neither votes, acknowledges, prolongs nor adds to it', async () => {
    const owner = await RawPeer.participant(cluster.node.url, 'r');
    const mallory = await RawPeer.participant(cluster.node.url, 'mallory');
    const bad = await besides(cluster, client, async () => {
      const ended = cluster.history.transact(client, { a: {}, r: {} });
      const prepare = await owner.next('prepare');
      const { txid, branch } = prepare;
      for (const vote of ['commit', 'abort', 'readonly']) {
        mallory.send(
          { type: 'vote', txid, branch, vote },
          { type: 'vote', txid, branch: 'a', vote },
        );
      }
      mallory.send({ type: 'working', txid, branch });
      mallory.send({ type: 'ack', txid, branch, decision: 'commit', ok: true });
      const enlisted = await mallory.ask({
        type: 'enlist',
        id: 1,
        txid,
        participant: 'r',
        branch: 'x',
      });
      expect(enlisted).toMatchObject({ type: 'error', code: 'FORBIDDEN' });
      const asked = await mallory.ask({ type: 'query', id: 2, txid, inDoubt: true });
      expect(asked).toMatchObject({ type: 'error', code: 'UNKNOWN_TRANSACTION' });
      owner.send({ type: 'vote', txid, branch, vote: 'commit' });
      expect((await ended).ended).toBe('ok');
      const command = await owner.next('commit');
      mallory.send({ type: 'ack', txid, branch, decision: 'commit', ok: true });
      // Still owed: it is sent again until its owner acknowledges.
      await owner.next('commit');
      owner.send({ type: 'ack', txid: command.txid, branch, decision: 'commit', ok: true });
      await owner.next('forget');
    });
    expect(bad).toEqual([]);
    await mallory.close();
    await owner.close();
  });
});

describe('what is too large', () => {
  it('is refused by itself: a frame over the limit ends that connection only', async () => {
    const bad = await besides(cluster, client, async () => {
      const peer = await greedy();
      peer.sendFrame(Buffer.alloc(1_048_577, 0xc0));
      expect((await peer.closed).code).toBe(1009);
    });
    expect(bad).toEqual([]);
  });

  it('is refused by itself: too many branches, a record that would be too large, long names', async () => {
    const bad = await besides(cluster, client, async () => {
      const peer = await greedy();
      const branches = (count: number, bytes: number): object[] =>
        Array.from({ length: count }, (_each, index) => ({
          participant: 'a',
          branch: `${index}`.padEnd(bytes, 'x'),
        }));
      const codes = [];
      for (const each of [branches(129, 4), branches(128, 128), branches(1, 129), []]) {
        serial += 1;
        const reply = await peer.ask({ type: 'transact', id: serial, branches: each });
        codes.push(reply.type === 'error' ? reply.code : reply.type);
      }
      expect(codes.filter((code) => code === 'outcome')).toEqual([]);
      serial += 1;
      const begun = await peer.ask({ type: 'begin', id: serial, timeoutMs: 60_000 });
      if (begun.type !== 'begun') throw new Error(begun.type);
      let refusal: FromNode | null = null;
      for (let index = 0; index < 200 && refusal === null; index += 1) {
        serial += 1;
        const branch = `${index}`.padEnd(120, 'x');
        const reply = await peer.ask({
          type: 'enlist',
          id: serial,
          txid: begun.txid,
          participant: 'a',
          branch,
        });
        if (reply.type === 'error') refusal = reply;
      }
      expect(refusal).toMatchObject({ code: 'TOO_LARGE' });
      await ping(peer);
      await peer.close();
    });
    expect(bad).toEqual([]);
  });

  it('is carried where it fits: a payload that fills its frame, and results that fill many', async () => {
    const owner = await RawPeer.participant(cluster.node.url, 'r');
    const bad = await besides(cluster, client, async () => {
      const peer = await greedy();
      // With its prepare's own fields around it the payload is larger than the frame that brought
      // it.
      const payload = 'x'.repeat(1_048_576 - 100);
      serial += 1;
      const filled = peer.ask({
        type: 'transact',
        id: serial,
        branches: [{ participant: 'r', payload }],
      });
      const first = await Promise.race([owner.next('prepare'), filled]);
      if (first.type === 'prepare') owner.send(readonlyVote(first, 1));
      expect((await filled).type).toMatch(/outcome|error/);

      // A hundred megabytes of results for one outcome.
      serial += 1;
      const many = peer.ask({
        type: 'transact',
        id: serial,
        timeoutMs: 20_000,
        branches: Array.from({ length: 100 }, (_each, index) => ({
          participant: 'r',
          branch: `r${index}`,
        })),
      });
      for (let index = 0; index < 100; index += 1) {
        owner.send(readonlyVote(await owner.next('prepare'), 1_000_000));
      }
      expect(
        (await Promise.race([many, peer.closed.then(() => ({ type: 'closed' }))])).type,
      ).toMatch(/outcome|error|closed/);
      await peer.close();
    });
    expect(bad).toEqual([]);
    await owner.close();
  });

  it('is listed: reasons of a megabyte each do not break the operator’s list', async () => {
    const owner = await RawPeer.participant(cluster.node.url, 'r');
    const bad = await besides(cluster, client, async () => {
      const peer = await greedy();
      const detail = 'x'.repeat(1_000_000);
      for (let index = 0; index < 80; index += 1) {
        serial += 1;
        const ended = peer.ask({ type: 'transact', id: serial, branches: [{ participant: 'r' }] });
        const { txid, branch } = await owner.next('prepare');
        const reason = { message: 'no', detail };
        owner.send({ type: 'vote', txid, branch, vote: 'abort', reason });
        expect((await ended).type).toBe('outcome');
      }
      serial += 1;
      const listed = peer.ask({ type: 'list', id: serial, limit: 1_000 });
      expect(
        (await Promise.race([listed, peer.closed.then(() => ({ type: 'closed' }))])).type,
      ).toMatch(/list|error|closed/);
      await peer.close();
    });
    expect(bad).toEqual([]);
    await owner.close();
  });

  it('is told to a peer that speaks JSON: numbers and bytes that JSON has not', async () => {
    const owner = await RawPeer.participant(cluster.node.url, 'r');
    const bad = await besides(cluster, client, async () => {
      for (const result of [
        2n ** 63n,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Buffer.from([1, 255]),
      ]) {
        const text = await RawPeer.open(cluster.node.url);
        const hello = { type: 'hello', protocol: 1, name: 't', instance: 't', roles: ['client'] };
        text.sendFrame(JSON.stringify(hello));
        await text.next('welcome');
        text.sendFrame(
          JSON.stringify({ type: 'transact', id: 1, branches: [{ participant: 'r' }] }),
        );
        const { txid, branch } = await owner.next('prepare');
        owner.send({ type: 'vote', txid, branch, vote: 'readonly', result });
        await Promise.race([text.next('outcome'), text.next('error'), text.closed]);
        await text.close();
      }
    });
    expect(bad).toEqual([]);
    await owner.close();
  });
});

function readonlyVote({ txid, branch }: Prepare, bytes: number): object {
  return { type: 'vote', txid, branch, vote: 'readonly', result: 'x'.repeat(bytes) };
}

const isError = (message: FromNode): message is Extract<FromNode, { type: 'error' }> =>
  message.type === 'error';

/**
 * Whether the field's own rule refuses the value; null stands for an optional field that is not
 * there.
 */
function refuses(field: Fields[string], value: unknown): boolean {
  if (field.optional && value === null) return false;
  return field.rule.read(value, limits) === refused;
}
