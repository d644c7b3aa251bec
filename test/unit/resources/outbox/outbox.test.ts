import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeEpoch } from '../../../../src/core/txid.ts';
import { openOutbox } from '../../../../src/outbox.ts';
import { vote } from '../../../../src/participant.ts';
import type { PrepareResult, Resource } from '../../../../src/ports/resource.ts';
import { Outbox, type OutboxOptions } from '../../../../src/resources/outbox/outbox.ts';
import { never, temporaryDirectory, txidAt } from '../../../support/logs/stores.ts';
import { eventually } from '../../../support/process/child.ts';
import { ManualClock } from '../../../support/samples/manual-clock.ts';
import { seededRandom } from '../../../support/samples/seeded-random.ts';

const epoch = makeEpoch({ generation: 0, revision: 1n });

let directory: ReturnType<typeof temporaryDirectory>;
let clock: ManualClock;
let outbox: Outbox<string>;
/** What the receiver took: `id body`. */
let published: string[];
/** Fails the publication of these bodies. */
let refused: Set<string>;
/** Every try: `body attempt`. */
let tries: string[];

async function open(more: Partial<OutboxOptions<string>> = {}): Promise<void> {
  outbox = await Outbox.open<string>({
    dataDirectory: directory.path,
    clock,
    random: seededRandom(),
    retryDelayMs: 100,
    maxRetryDelayMs: 400,
    onFatal: (error) => {
      throw error;
    },
    publish: async ({ id, body }, { attempt }) => {
      tries.push(`${body} ${attempt}`);
      if (refused.has(body)) throw new Error('The receiver is down.');
      published.push(`${id} ${body}`);
    },
    ...more,
  });
}

beforeEach(async () => {
  directory = temporaryDirectory();
  clock = new ManualClock();
  published = [];
  refused = new Set();
  tries = [];
  await open();
});
afterEach(async () => {
  await outbox.close();
  directory.remove();
});

const branchAt = (sequence: number) => ({ txid: txidAt(epoch, sequence), branch: 'e mail' });

async function prepare(sequence: number, payload: unknown): Promise<PrepareResult<unknown>> {
  const resource = outbox.resource() as Resource;
  const working = (): void => undefined;
  const call = { ...branchAt(sequence), payload, signal: never, timeoutMs: 1_000, working };
  return resource.prepare(call);
}

async function send(sequence: number, ...messages: string[]): Promise<void> {
  expect(await prepare(sequence, { messages })).toEqual(vote.commit());
  await outbox.resource().commit({ ...branchAt(sequence), payload: undefined });
}

function idOf(sequence: number, index: number): string {
  return `${txidAt(epoch, sequence)}/e%20mail/${index}`;
}

function triedTimes(count: number): Promise<true> {
  return eventually(
    () => (tries.length >= count ? true : null),
    () => `${count} tries; there were: ${tries.join(', ')}`,
  );
}

describe('outbox', () => {
  it('publishes in the order of the commits, under ids that never change', async () => {
    await prepare(1, { messages: ['late'] });
    await send(2, 'a', 'b');
    await outbox.resource().commit({ ...branchAt(1), payload: undefined });
    await outbox.idle();
    expect(published).toEqual([`${idOf(2, 0)} a`, `${idOf(2, 1)} b`, `${idOf(1, 0)} late`]);
    expect(outbox.pending()).toBe(0);
  });

  it('publishes nothing that was rolled back, and nothing before the commit', async () => {
    await prepare(1, { messages: ['x'] });
    await outbox.idle();
    expect(published).toEqual([]);
    await outbox.resource().rollback({ ...branchAt(1), payload: undefined });
    await send(2, 'y');
    await outbox.idle();
    expect(published).toEqual([`${idOf(2, 0)} y`]);
  });

  it('tries again with growing pauses, and lets nothing overtake', async () => {
    refused.add('a');
    await send(1, 'a');
    await send(2, 'b');
    await triedTimes(1);
    const pauses: number[] = [];
    for (let count = 2; count <= 6; count += 1) {
      const sinceMs = clock.monotonicMs();
      while (tries.length < count) await clock.advance(1);
      pauses.push(clock.monotonicMs() - sinceMs);
    }
    expect(tries).toEqual(['a 1', 'a 2', 'a 3', 'a 4', 'a 5', 'a 6']);
    // Half of each pause is chance.
    for (const [index, whole] of [100, 200, 400, 400, 400].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(whole / 2);
      expect(pauses[index]).toBeLessThanOrEqual(whole + 1);
    }
    expect(outbox.pending()).toBe(2);
    refused.clear();
    await clock.advance(400);
    await outbox.idle();
    expect(published.map((line) => line.at(-1))).toEqual(['a', 'b']);
  });

  it('goes on after a restart with what is left, and with nothing that was published', async () => {
    await send(1, 'a');
    await outbox.idle();
    refused.add('b');
    await send(2, 'b', 'c');
    await triedTimes(2);
    await outbox.close();
    refused.clear();
    await open();
    await outbox.idle();
    expect(published).toEqual([`${idOf(1, 0)} a`, `${idOf(2, 0)} b`, `${idOf(2, 1)} c`]);
  });

  it('queues once what is committed twice, also after a restart', async () => {
    await send(1, 'a');
    await outbox.resource().commit({ ...branchAt(1), payload: undefined });
    await outbox.idle();
    await outbox.close();
    await open();
    await outbox.resource().commit({ ...branchAt(1), payload: undefined });
    await outbox.idle();
    expect(published).toHaveLength(1);
  });

  it('tells the publication under way that it closes, and keeps its message', async () => {
    await outbox.close();
    const ended: string[] = [];
    await open({
      publish: (_message, { signal }) =>
        new Promise((_resolve, reject) => {
          ended.push('begun');
          signal.addEventListener('abort', () => reject(new Error('Closing.')));
        }),
    });
    await send(1, 'a');
    await eventually(
      () => ended[0] ?? null,
      () => 'the publication',
    );
    await outbox.close();
    await open();
    await outbox.idle();
    expect(published).toEqual([`${idOf(1, 0)} a`]);
  });

  it('votes abort where too much waits already, and takes more again afterwards', async () => {
    await outbox.close();
    await open({ maxQueue: 2 });
    refused.add('a');
    await send(1, 'a', 'b');
    expect(await prepare(2, { messages: ['c'] })).toMatchObject({
      vote: 'abort',
      reason: { retryable: true, message: expect.stringContaining('2 messages wait') },
    });
    refused.clear();
    await triedTimes(1);
    await clock.advance(400);
    await outbox.idle();
    await send(3, 'c');
  });

  it('counts what is prepared to what waits, also after a restart', async () => {
    await outbox.close();
    await open({ maxQueue: 2 });
    const both = await Promise.all([1, 2].map((at) => prepare(at, { messages: ['a', 'b'] })));
    expect(both.map(({ vote }) => vote).sort()).toEqual(['abort', 'commit']);
    await outbox.close();
    await open({ maxQueue: 2 });
    expect(await prepare(3, { messages: ['c'] })).toMatchObject({ vote: 'abort' });
    for (const at of [1, 2, 3])
      await outbox.resource().rollback({ ...branchAt(at), payload: null });
    expect(await prepare(4, { messages: ['a', 'b'] })).toMatchObject({ vote: 'commit' });
  });

  it.each([[undefined], [{}], [{ messages: 'a' }]])(
    'votes abort for a payload without messages: %j',
    async (payload) => {
      expect(await prepare(1, payload)).toMatchObject({ vote: 'abort' });
      expect(outbox.inDoubt()).toEqual([]);
    },
  );

  it('votes readonly where there is nothing to say', async () => {
    expect(await prepare(1, { messages: [] })).toMatchObject({ vote: 'readonly' });
  });
});

it.each([
  [new Map(), 'message 1 is a Map'],
  [{ total: Number.NaN }, 'message 1.total is NaN'],
  [{ when: new Date(0) }, 'message 1.when is a Date'],
])('keeps no body that would be published as another: %s', async (body, text) => {
  const resource = outbox.resource(() => ['fine', body as never]);
  const call = {
    ...branchAt(90),
    payload: null,
    signal: never,
    timeoutMs: 1_000,
    working: () => undefined,
  };
  await expect(resource.prepare(call as never)).rejects.toThrow(text);
  expect(outbox.inDoubt()).toEqual([]);
});

it('takes no option that does not exist', async () => {
  const options = { dataDirectory: 'none', publish: () => undefined, maxqueue: 1 };
  await expect(openOutbox(options)).rejects.toThrow(/"maxqueue" in openOutbox\..* maxQueue/);
});
