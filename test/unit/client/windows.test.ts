/** One-shots past the capacity of their participants: what is sent, what waits, what is refused. */
import { describe, expect, it } from 'vitest';
import type { Client, TransactOptions } from '../../../src/client.ts';
import { type ClientSetting, connectedClient, watch } from '../../support/clients/client.ts';
import type { Received, ScriptedNode } from '../../support/nodes/scripted-node.ts';
import { type ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

type Call = ReturnType<typeof transact>;

function transact(client: Client, participant = 'inventory', options: TransactOptions = {}) {
  return watch(client.transact({ branches: [{ participant }] }, options));
}

function several(client: Client, count: number, options?: TransactOptions): Call[] {
  return Array.from({ length: count }, () => transact(client, 'inventory', options));
}

async function commitNext(node: ScriptedNode): Promise<void> {
  (await node.next('transact')).reply({
    type: 'outcome',
    outcome: 'committed',
    results: {},
    txid: txidOf(1),
  });
  await settle();
}

async function refuseNext(node: ScriptedNode): Promise<void> {
  (await node.next('transact')).fail('BUSY', { retryAfterMs: 4_000 });
  await settle();
}

/** Ten in flight, one of which is refused; so seven may be, and nine are. */
async function afterRefusal() {
  const setting: ClientSetting & { leader?: Leader } = await connectedClient();
  const calls = several(setting.client, 10);
  await settle();
  expect(await setting.node.waiting()).toBe(10);
  await refuseNext(setting.node);
  return { ...setting, calls };
}

/** A leader that holds so many, refuses what comes besides, and answers when the test says so. */
class Leader {
  readonly #node: ScriptedNode;
  readonly #places: number;
  readonly #held: Received[] = [];

  /** `before`: whose places it takes over, with what is in them. */
  constructor(node: ScriptedNode, places: number, before?: Leader) {
    this.#node = node;
    this.#places = places;
    if (before !== undefined) this.#held.push(...before.#held);
  }

  /** How many it holds, with what has come meanwhile. */
  async held(): Promise<number> {
    for (let left = await this.#node.waiting(); left > 0; left -= 1) {
      const come = await this.#node.next('transact');
      if (this.#held.length < this.#places) this.#held.push(come);
      else come.fail('BUSY', { retryAfterMs: 100 });
    }
    await settle();
    return this.#held.length;
  }

  /** Answers the eldest, so many at most. Returns how many. */
  async commit(count: number): Promise<number> {
    await this.held();
    const answered = this.#held.splice(0, count);
    for (const one of answered) {
      one.reply({ type: 'outcome', outcome: 'committed', results: {}, txid: txidOf(1) });
    }
    await settle();
    return answered.length;
  }

  /** Cannot write the eldest: it may be sent again. */
  async lose(): Promise<void> {
    await this.held();
    this.#held.shift()?.fail('LOG_UNAVAILABLE');
    await settle();
  }
}

/** So many wait that a queue stands, one getting its turn each so often, as so many more come. */
async function standing(
  given: { client: Client; clock: ManualClock; node: ScriptedNode; leader?: Leader },
  count: number,
  { eachMs = 20, more = 0, turns = 300 } = {},
): Promise<void> {
  given.leader ??= new Leader(given.node, 10);
  several(given.client, count, patience);
  for (let turn = 0; turn < turns; turn += 1) {
    await given.clock.advance(eachMs);
    await given.leader.commit(1);
    several(given.client, more, patience);
  }
}

/** Of a hundred and twenty in flight a hundred are held: so eighty-four may be. Many wait. */
async function cutAtAHundredAndTwenty(places = 100) {
  const setting = await connectedClient();
  const leader = new Leader(setting.node, 100);
  several(setting.client, 120, patience);
  expect(await leader.held()).toBe(100);
  const calls = several(setting.client, 4_000, { timeoutMs: 300_000 });
  await settle();
  return { ...setting, leader: new Leader(setting.node, places, leader), calls };
}

/** Each second all are answered together. How many were in flight in each. */
async function rounds(
  { clock, leader }: { clock: ManualClock; leader: Leader },
  count: number,
): Promise<number[]> {
  const inFlight: number[] = [];
  for (let round = 0; round < count; round += 1) {
    await clock.advance(1_000);
    inFlight.push(await leader.commit(await leader.held()));
  }
  return inFlight;
}

/** Of so many that come at once. */
async function refusals(client: Client, count: number): Promise<number> {
  const calls = several(client, count, patience);
  await settle();
  return calls.filter((call) => call.state() !== 'waiting').length;
}

const patience = { timeoutMs: 100_000 };
const busy = { code: 'BUSY', acted: 'nothing', retryable: true };

describe('after BUSY', () => {
  it('sends no more than seven tenths of those that were in flight', async () => {
    const { client, node, calls } = await afterRefusal();
    calls.push(...several(client, 5));
    await settle();
    // Nine are with the leader.
    expect(await node.waiting()).toBe(9);
    for (let left = 8; left >= 6; left -= 1) await commitNext(node);
    // Seven again: the sixth place went to the first that waited.
    expect(await node.waiting()).toBe(7);
    await client.close();
  });

  it('sends in the order of the calls', async () => {
    const { client, node } = await afterRefusal();
    const order: string[] = [];
    for (const name of ['first', 'second', 'third']) {
      void client.transact({ branches: [{ participant: 'inventory', payload: name }] });
    }
    for (let count = 0; count < 9; count += 1) await commitNext(node);
    for (let count = 0; count < 3; count += 1) {
      const sent = await node.next('transact');
      order.push(String(sent.message.branches[0]?.payload));
      sent.reply({ type: 'outcome', outcome: 'committed', results: {}, txid: txidOf(1) });
    }
    expect(order).toEqual(['first', 'second', 'third']);
    await client.close();
  });

  it('lets more be in flight with each commit while others wait', async () => {
    const { client, node } = await afterRefusal();
    several(client, 60);
    for (let count = 0; count < 30; count += 1) await commitNext(node);
    expect(await node.waiting()).toBeGreaterThan(8);
    await client.close();
  });

  it('cuts once for all that were sent before', async () => {
    const { client, node } = await afterRefusal();
    for (let count = 0; count < 5; count += 1) await refuseNext(node);
    several(client, 20);
    await settle();
    expect(await node.waiting()).toBe(7);
    await client.close();
  });

  it('holds back nothing for other participants', async () => {
    const { client, node } = await afterRefusal();
    const other = Array.from({ length: 20 }, () => transact(client, 'payment'));
    await settle();
    expect(await node.waiting()).toBe(29);
    expect(other).toHaveLength(20);
    await client.close();
  });

  it('forgets it once nothing is in flight', async () => {
    const { client, node, calls } = await afterRefusal();
    for (let count = 0; count < 9; count += 1) await commitNext(node);
    expect(calls.filter(({ state }) => state() === 'resolved')).toHaveLength(9);
    several(client, 40);
    await settle();
    expect(await node.waiting()).toBe(40);
    await client.close();
  });

  it('passes BUSY on when half of the time is over in the queue', async () => {
    const { client, clock, node } = await afterRefusal();
    const late = transact(client, 'inventory', { timeoutMs: 2_000 });
    await clock.advance(999);
    expect(late.state()).toBe('waiting');
    await clock.advance(2);
    expect(late.error()).toMatchObject({ ...busy, retryAfterMs: 1_000 });
    expect(await node.waiting()).toBe(9);
    await client.close();
  });

  it('ends those that wait when the client closes', async () => {
    const { client } = await afterRefusal();
    const waits = transact(client);
    await settle();
    await client.close();
    await settle();
    expect(waits.error()).toMatchObject({ code: 'CLOSED' });
  });

  it('ends one that waits with its signal, and sends the next in its place', async () => {
    const { client, node } = await afterRefusal();
    const gone = new AbortController();
    const first = transact(client, 'inventory', { signal: gone.signal });
    const second = transact(client);
    await settle();
    gone.abort();
    await settle();
    expect(first.error()).toMatchObject({ code: 'ABORTED_BY_CALLER', acted: 'nothing' });
    for (let count = 0; count < 10; count += 1) await commitNext(node);
    expect(second.state()).toBe('resolved');
    await client.close();
  });

  it('does not hold back a request that may have begun', async () => {
    const { client, node } = await afterRefusal();
    for (let count = 0; count < 3; count += 1) await commitNext(node);
    const named = watch(
      client.transact({ requestId: 'order-1', branches: [{ participant: 'inventory' }] }),
    );
    several(client, 5);
    for (let count = 0; count < 6; count += 1) await commitNext(node);
    const sent = await node.next('transact');
    expect(sent.message.requestId).toBe('order-1');
    sent.fail('OUTCOME_UNKNOWN');
    for (let count = 0; count < 5; count += 1) await node.next('transact');
    several(client, 20);
    await settle();
    expect(named.state()).toBe('waiting');
    await client.close();
  });
});

describe('a long queue that stands', () => {
  it('is not waited in for more than two seconds: what comes then is refused at once', async () => {
    const setting = await afterRefusal();
    await standing(setting, 1_400);
    // Some 1,100 wait, at 20 ms for each.
    const late = transact(setting.client, 'inventory', patience);
    await settle();
    const error = late.error() as { retryAfterMs: number };
    expect(error).toMatchObject(busy);
    expect(error.retryAfterMs).toBeGreaterThan(2_000);
    await setting.client.close();
  });

  it('is waited in for less where more comes than is answered', async () => {
    const setting = await afterRefusal();
    // With all that has come some 1,800 would wait, for less than two seconds.
    await standing(setting, 500, { eachMs: 1, more: 2, turns: 1_300 });
    expect(await refusals(setting.client, 100)).toBe(100);
    await setting.client.close();
  });

  it('is not waited in for less because more came for a moment', async () => {
    const setting = await afterRefusal();
    setting.leader = new Leader(setting.node, 10);
    await standing(setting, 1_200, { eachMs: 1, more: 1, turns: 1_200 });
    await standing(setting, 0, { eachMs: 1, more: 2, turns: 500 });
    expect(await refusals(setting.client, 50)).toBe(0);
    await setting.client.close();
  });

  it('is waited in for long where as much comes as is answered', async () => {
    const setting = await afterRefusal();
    await standing(setting, 1_400, { eachMs: 1, more: 1, turns: 1_500 });
    expect(await refusals(setting.client, 100)).toBe(0);
    await setting.client.close();
  });

  it('is waited in for long again once no more comes than is answered', async () => {
    const setting = await afterRefusal();
    await standing(setting, 500, { eachMs: 1, more: 2, turns: 1_300 });
    await standing(setting, 0, { eachMs: 1, more: 1, turns: 1_500 });
    expect(await refusals(setting.client, 200)).toBe(0);
    await setting.client.close();
  });

  it('does not count calls as more that are refused for their own short time alone', async () => {
    const setting = await afterRefusal();
    several(setting.client, 1_400, patience);
    for (let turn = 0; turn < 1_500; turn += 1) {
      await standing(setting, 0, { eachMs: 1, more: 1, turns: 1 });
      // May wait for half a second, where the queue takes more than one.
      transact(setting.client, 'inventory', { timeoutMs: 1_000 });
    }
    expect(await refusals(setting.client, 100)).toBe(0);
    await setting.client.close();
  });

  it('is waited in by a call with retry', async () => {
    const setting = await afterRefusal();
    await standing(setting, 1_400);
    const patient = transact(setting.client, 'inventory', { ...patience, retry: true });
    await settle();
    expect(patient.state()).toBe('waiting');
    await setting.client.close();
  });

  it('is not taken for slow after a stall', async () => {
    const setting = await afterRefusal();
    await standing(setting, 1_400, { eachMs: 4 });
    await setting.clock.advance(3_000);
    await commitNext(setting.node);
    // Some 1,100 wait, at 4 ms for each.
    const late = transact(setting.client, 'inventory', { timeoutMs: 14_000, retry: true });
    await settle();
    expect(late.state()).toBe('waiting');
    await setting.client.close();
  });

  it('is none where as many wait as find room with the leader', async () => {
    const setting = await afterRefusal();
    await standing(setting, 1_200);
    const late = transact(setting.client, 'inventory', patience);
    await settle();
    expect(late.state()).toBe('waiting');
    await setting.client.close();
  });
});

describe('the number in flight', () => {
  it('is nearly what it was at the cut after a few round trips', async () => {
    const setting = await cutAtAHundredAndTwenty(1_000);
    const inFlight = await rounds(setting, 6);
    expect(inFlight[1]).toBeLessThan(110);
    expect(inFlight[3]).toBeGreaterThan(112);
    await setting.client.close();
  });

  it('is for some round trips little more than that', async () => {
    const setting = await cutAtAHundredAndTwenty(1_000);
    const inFlight = await rounds(setting, 8);
    expect(inFlight.at(-1)).toBeGreaterThan(119);
    expect(inFlight.at(-1)).toBeLessThan(130);
    await setting.client.close();
  });

  it('grows faster and faster where the bound is far above', async () => {
    const setting = await cutAtAHundredAndTwenty(1_000);
    const inFlight = await rounds(setting, 13);
    expect(inFlight.at(-1)).toBeGreaterThan(240);
    await setting.client.close();
  });

  it('is back within some round trips after an outage that cut it again and again', async () => {
    const setting = await cutAtAHundredAndTwenty(20);
    expect((await rounds(setting, 10)).at(-1)).toBeLessThan(21);
    setting.leader = new Leader(setting.node, 1_000, setting.leader);
    const inFlight = await rounds(setting, 8);
    expect(inFlight[1]).toBeLessThan(40);
    expect(inFlight[7]).toBeGreaterThan(200);
    await setting.client.close();
  });
});

describe('where participants take a second for each', () => {
  it('none is refused while those before it take a part of its time', async () => {
    const setting = await cutAtAHundredAndTwenty(110);
    const { client, clock, leader } = setting;
    // Some 2,000, of a hundred a second: for these twenty seconds. Each of them may wait for 50.
    for (let round = 0; round < 12; round += 1) {
      const one = transact(client, 'inventory', { ...patience, retry: true });
      await clock.advance(1_000);
      await leader.commit(1);
      const other = transact(client, 'inventory', { ...patience, retry: true });
      await leader.commit(await leader.held());
      expect([one.state(), other.state()]).not.toContain('rejected');
    }
    await client.close();
  });

  it('one is refused once it is known that those before it take all of its time', async () => {
    const { client, ...setting } = await cutAtAHundredAndTwenty(110);
    await rounds({ ...setting }, 6);
    const late = transact(client, 'inventory', { timeoutMs: 10_000, retry: true });
    await settle();
    expect(late.error()).toMatchObject({ ...busy, retryAfterMs: 5_000 });
    const patient = transact(client, 'inventory', { timeoutMs: 50_000, retry: true });
    await settle();
    expect(patient.state()).toBe('waiting');
    await client.close();
  });
});

describe('what says nothing of the pace', () => {
  it.each([
    ['one answer', 1],
    ['silence before the first answer', 80],
  ])('%s', async (_, answers) => {
    const { client, clock, node } = await afterRefusal();
    const leader = new Leader(node, 10);
    several(client, 1_000, { timeoutMs: 300_000, retry: true });
    await clock.advance(60_000);
    for (let count = 0; count < answers; count += 1) {
      await leader.commit(1);
      await clock.advance(20);
    }
    const next = transact(client, 'inventory', { timeoutMs: 60_000, retry: true });
    await settle();
    expect(next.state()).toBe('waiting');
    await client.close();
  });

  it('a time without a leader', async () => {
    const { client, clock, node } = await afterRefusal();
    const leader = new Leader(node, 10);
    several(client, 1_000, { timeoutMs: 300_000, retry: true });
    await leader.commit(2);
    await leader.lose();
    await clock.advance(60_000);
    for (let count = 0; count < 45; count += 1) {
      await leader.commit(1);
      await clock.advance(20);
    }
    const next = transact(client, 'inventory', { timeoutMs: 60_000, retry: true });
    await settle();
    expect(next.state()).toBe('waiting');
    await client.close();
  });

  /** A queue of ten a second that is over, with some in flight. */
  const slowBefore = async () => {
    const setting = await afterRefusal();
    const leader = new Leader(setting.node, 10);
    await standing({ ...setting, leader }, 100, { eachMs: 100, turns: 104 });
    expect(await leader.held()).toBeGreaterThan(0);
    return { ...setting, leader };
  };

  it('a queue before this one', async () => {
    const { client } = await slowBefore();
    const calls = several(client, 1_500, patience);
    await settle();
    expect(calls.filter((call) => call.state() === 'rejected')).toEqual([]);
    await client.close();
  });

  it('the time in which none waited', async () => {
    const { client, clock, leader } = await slowBefore();
    await clock.advance(20_000);
    several(client, 600, patience);
    for (let count = 0; count < 60; count += 1) {
      await leader.commit(1);
      await clock.advance(20);
      const next = transact(client, 'inventory', { timeoutMs: 60_000, retry: true });
      await settle();
      expect(next.state()).toBe('waiting');
    }
    await client.close();
  });

  it('answers that are read together', async () => {
    const { client, clock, node } = await afterRefusal();
    const leader = new Leader(node, 10);
    several(client, 1_400, patience);
    for (let burst = 0; burst < 6; burst += 1) {
      await clock.advance(300);
      for (let turn = 0; turn < 5; turn += 1) await leader.commit(10);
    }
    // Some 1,100 wait, of 50 in 300 ms.
    const late = transact(client, 'inventory', { timeoutMs: 10_000, retry: true });
    await settle();
    expect(late.error()).toMatchObject(busy);
    await client.close();
  });
});

describe('when to come again', () => {
  it('is five seconds at most', async () => {
    const { client, clock } = await afterRefusal();
    const late = transact(client, 'inventory', { timeoutMs: 20_000 });
    await clock.advance(10_001);
    expect(late.error()).toMatchObject({ ...busy, retryAfterMs: 5_000 });
    await client.close();
  });
});
