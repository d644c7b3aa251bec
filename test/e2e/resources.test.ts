/** The resources that come with Verdict, under a real node: what a client gets from them. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import { type Outbox, openOutbox } from '../../src/outbox.ts';
import {
  type ParticipantHandle,
  type Resource,
  serveParticipant,
  vote,
} from '../../src/participant.ts';
import {
  openVersionedStore,
  RefusedError,
  type StorePayload,
  type VersionedStore,
} from '../../src/versioned-store.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';

const directory = temporaryDirectory();
const data = (name: string): string => join(directory.path, name);
const published: { id: string; body: unknown }[] = [];
const participants: ParticipantHandle[] = [];
let node: NodeProcess;
let client: Client;
let left: VersionedStore;
let right: VersionedStore;
let mail: Outbox;

async function serve(name: string, resource: Resource): Promise<ParticipantHandle> {
  const participant = await serveParticipant<unknown, unknown>({
    name,
    urls: [node.url],
    dataDirectory: data(`${name}-journal`),
    resource,
  });
  participants.push(participant);
  await participant.connected();
  return participant;
}

beforeAll(async () => {
  node = await NodeProcess.started({ data: data('node'), options: quickOptions });
  const initial = [
    { key: 'on-duty', value: true },
    { key: 'count', value: 0 },
  ];
  left = await openVersionedStore({ dataDirectory: data('left'), initial, lockWaitMs: 300 });
  right = await openVersionedStore({ dataDirectory: data('right'), initial, lockWaitMs: 300 });
  mail = await openOutbox({
    dataDirectory: data('mail'),
    publish: ({ id, body }) => void published.push({ id, body }),
  });
  await serve('left', left.resource() as Resource);
  await serve('right', right.resource() as Resource);
  await serve('mail', mail.resource() as Resource);
  client = await connect({ urls: [node.url], timeoutMs: 20_000 });
});

afterAll(async () => {
  await client?.close();
  for (const participant of participants) await participant.close();
  await Promise.all([left?.close(), right?.close(), mail?.close()]);
  await node?.stop();
  directory.remove();
});

/** A client has its answer when the decision is durable; the stores carry it out behind it. */
async function carriedOut(): Promise<void> {
  await eventually(
    () => (left.inDoubt().length + right.inDoubt().length === 0 ? true : null),
    () => 'the commits',
  );
}

const increment = (store: VersionedStore): StorePayload => {
  const record = store.read<number>('count');
  const read = { key: 'count', version: record?.version ?? 0 };
  return { reads: [read], writes: [{ key: 'count', value: (record?.value ?? 0) + 1 }] };
};

describe('a versioned store', () => {
  it('votes CONFLICT for what became stale, and run tries again with fresh data', async () => {
    const result = await client.run(async (tx, { attempt }) => {
      const mine = increment(left);
      if (attempt === 1) {
        const other = await client.transact({
          branches: [{ participant: 'left', payload: increment(left) }],
        });
        expect(other.outcome).toBe('committed');
      }
      await tx.enlist({ participant: 'left', payload: mine });
      await tx.enlist({ participant: 'right', payload: increment(right) });
    });
    expect(result.outcome).toBe('committed');
    expect(result.attempts).toBeGreaterThan(1);
    await carriedOut();
    expect(left.read('count')).toEqual({ value: 2, version: 3 });
    expect(right.read('count')).toEqual({ value: 1, version: 2 });
  });

  it('tells the client which key was stale', async () => {
    const stale = { reads: [{ key: 'count', version: 1 }] };
    expect(
      await client.transact({ branches: [{ participant: 'left', payload: stale }] }),
    ).toMatchObject({
      outcome: 'aborted',
      reason: {
        code: 'CONFLICT',
        participant: 'left',
        retryable: true,
        detail: { key: 'count', expected: 1, actual: left.read('count')?.version },
      },
    });
  });

  it('loses no increment of many at once', async () => {
    const before = [left, right].map((store) => store.read<number>('count')?.value ?? 0);
    const worker = async (): Promise<void> => {
      for (let turn = 0; turn < 5; turn += 1) {
        const result = await client.run(
          async (tx) => {
            await tx.enlist({ participant: 'left', payload: increment(left) });
            await tx.enlist({ participant: 'right', payload: increment(right) });
          },
          { maxAttempts: 1_000, retryDelayMs: 5 },
        );
        expect(result.outcome).toBe('committed');
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    await carriedOut();
    expect([left, right].map((store) => store.read('count')?.value)).toEqual(
      before.map((value) => value + 20),
    );
  });
});

describe('over two stores', () => {
  class NobodyElseError extends Error {}
  let stores: readonly { readonly name: 'left' | 'right'; readonly store: VersionedStore }[];
  beforeAll(() => {
    stores = [
      { name: 'left', store: left },
      { name: 'right', store: right },
    ];
  });

  it('write skew is prevented, and somebody stays on duty', async () => {
    for (let round = 0; round < 10; round += 1) {
      const leave = async (mine: 'left' | 'right'): Promise<void> => {
        const work = client.run(async (tx) => {
          const records = stores.map(({ store }) => store.read<boolean>('on-duty'));
          if (records.some((record) => record?.value !== true)) throw new NobodyElseError();
          for (const [index, { name }] of stores.entries()) {
            const reads = [{ key: 'on-duty', version: records[index]?.version ?? 0 }];
            const writes = name === mine ? [{ key: 'on-duty', value: false }] : [];
            await tx.enlist({ participant: name, payload: { reads, writes } });
          }
        });
        await work.catch((error: unknown) => {
          if (!(error instanceof NobodyElseError)) throw error;
        });
      };
      await Promise.all([leave('left'), leave('right')]);
      await carriedOut();
      const off = stores.filter(({ store }) => store.read('on-duty')?.value === false);
      expect(off.length).toBeLessThan(2);
      const back = { writes: [{ key: 'on-duty', value: true }] };
      await client.run(async (tx) => {
        await tx.enlist({ participant: 'left', payload: back });
        await tx.enlist({ participant: 'right', payload: back });
      });
      await carriedOut();
    }
  });

  it('two that wait for each other where no store can see it are ended by the limit, and both succeed', async () => {
    const [leftHandle, rightHandle] = participants as [ParticipantHandle, ParticipantHandle];
    const refusals: string[] = [];
    let holding = 0;
    const { promise: both, resolve } = Promise.withResolvers<void>();
    const bothHold = (): Promise<void> => {
      holding += 1;
      if (holding === 2) resolve();
      return both;
    };
    const crosswise = (first: 'left' | 'right') =>
      client.run(
        async (tx, { attempt }) => {
          try {
            for (const store of first === 'left' ? [left, right] : [right, left]) {
              const work = await store.enlist(store === left ? leftHandle : rightHandle, tx.txid);
              const record = await work.readForUpdate<number>('count');
              await work.write('count', (record?.value ?? 0) + 1);
              if (attempt === 1) await bothHold();
            }
          } catch (error) {
            // The branch votes abort, with the same reason.
            if (!(error instanceof RefusedError)) throw error;
            refusals.push(error.reason.code ?? '');
          }
        },
        { maxAttempts: 20 },
      );
    const before = left.read<number>('count')?.value ?? 0;
    const results = await Promise.all([crosswise('left'), crosswise('right')]);
    expect(results).toMatchObject([{ outcome: 'committed' }, { outcome: 'committed' }]);
    await carriedOut();
    expect(left.read('count')?.value).toBe(before + 2);
    expect(refusals).toContain('LOCK_TIMEOUT');
  });
});

describe('an outbox', () => {
  it('publishes what committed, and nothing of what aborted', async () => {
    const send = (text: string, version: number) =>
      client.transact({
        branches: [
          { participant: 'mail', payload: { messages: [text] } },
          { participant: 'left', payload: { reads: [{ key: 'mailed', version }] } },
        ],
      });
    expect(await send('aborted', 9)).toMatchObject({ outcome: 'aborted' });
    const sent = await send('committed', 0);
    expect(sent).toMatchObject({ outcome: 'committed' });
    await eventually(
      () => (published.length > 0 ? true : null),
      () => 'the message',
    );
    await mail.idle();
    expect(published).toEqual([{ id: `${sent.txid}/mail/0`, body: 'committed' }]);
    expect(mail.inDoubt()).toEqual([]);
  });
});

describe('a store that is kept while the journal beside it is lost', () => {
  it.each(['committed', 'aborted'] as const)(
    'ends what the old one voted for: %s',
    async (outcome) => {
      const store = await openVersionedStore({ dataDirectory: data(`kept-store-${outcome}`) });
      const sent: unknown[] = [];
      const outbox = await openOutbox({
        dataDirectory: data(`kept-mail-${outcome}`),
        publish: ({ body }) => void sent.push(body),
      });
      const names = { store: `kept-store-${outcome}`, mail: `kept-mail-${outcome}` };
      const asked = Promise.withResolvers<string>();
      const voted = Promise.withResolvers<void>();
      const last = await serveParticipant({
        name: `last-${outcome}`,
        urls: [node.url],
        dataDirectory: data(`last-${outcome}-journal`),
        prepare: async ({ txid }) => {
          asked.resolve(txid);
          await voted.promise;
          return outcome === 'committed' ? vote.commit() : vote.abort('Not this one.');
        },
        commit: () => undefined,
        rollback: () => undefined,
      });
      participants.push(last);
      await last.connected();
      const serveBoth = async () => [
        await serve(names.store, store.resource() as Resource),
        await serve(names.mail, outbox.resource() as Resource),
      ];
      const before = await serveBoth();
      const done = client.transact({
        branches: [
          { participant: names.store, payload: { writes: [{ key: 'k', value: 1 }] } },
          { participant: names.mail, payload: { messages: ['hello'] } },
          { participant: `last-${outcome}` },
        ],
      });
      const held = () => store.inDoubt().length + outbox.inDoubt().length;
      const under = await asked.promise;
      await eventually(
        async () => {
          const { branches } = await client.status(under);
          return branches.filter(({ state }) => state === 'prepared').length === 2 ? true : null;
        },
        () => 'both votes',
      );
      expect(held()).toBe(2);
      for (const [index, handle] of before.entries()) {
        await handle.close({ timeoutMs: 1 });
        rmSync(data(`${[names.store, names.mail][index]}-journal`), { recursive: true });
      }
      voted.resolve();
      const { txid, outcome: told } = await done;
      expect(told).toBe(outcome);
      await serveBoth();
      await eventually(
        () => (held() === 0 ? true : null),
        () => 'the end of both branches',
      );
      expect(store.read('k')?.value ?? null).toBe(outcome === 'committed' ? 1 : null);
      await outbox.idle();
      expect(sent).toEqual(outcome === 'committed' ? ['hello'] : []);
      // Nothing is owed to the journals that are gone.
      await eventually(
        async () => ((await client.status(txid)).state === outcome.toUpperCase() ? true : null),
        () => 'an end of the transaction too',
      );
      for (const handle of participants.splice(-2)) await handle.close();
      await Promise.all([store.close(), outbox.close()]);
    },
  );
});
