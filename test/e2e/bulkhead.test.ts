/**
 * One participant stands still, reads nothing or comes back with a backlog: the others and the node
 * do not suffer from it.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { type Client, isVerdictError, type TransactionOutcome } from '../../src/client.ts';
import {
  type CoordinatorOptions,
  coordinatorOptionTable,
} from '../../src/core/coordinator-options.ts';
import { SteadyLoad } from '../support/clients/steady-load.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { eventually, pause } from '../support/process/child.ts';

let cluster: Cluster;

afterEach(async () => {
  expect(cluster.node.alarms()).toEqual([]);
  await cluster.remove();
});

const options: Partial<CoordinatorOptions> = {
  prepareTimeoutMs: 600,
  prepareTimeoutMsMin: 300,
  breakerAfter: 3,
  breakerPauseMs: 100,
  maxBreakerPauseMs: 200,
};
/** Its own word that a breaker moved. */
const noted = (event: string): number =>
  cluster.node.child.lines.filter((line) => line.includes(`"event":"${event}"`)).length;

describe('one of five participants that stands still', () => {
  it('is refused at once while the others go on, and taken up again when it is back', async () => {
    cluster = await Cluster.started({
      participants: ['a', 'b', 'c', 'd', 'e'],
      // Above what a busy machine lets those wait that are to go on.
      options: {
        ...options,
        prepareTimeoutMs: 1_500,
        prepareTimeoutMsMin: 1_000,
        breakerPauseMs: 500,
        maxBreakerPauseMs: 1_000,
      },
      nodeSettings: { logLevel: 'info' },
    });
    const { history } = cluster;
    const clients = await Promise.all([cluster.client(), cluster.client()]);
    const load = new SteadyLoad({ history, clients, participants: ['a', 'b', 'c', 'd'] });
    await load.moreOk(20);
    const before = await history.transact(clients[0], { a: {}, e: {} });
    expect(before.ended).toBe('ok');

    const stalled = cluster.participant('e').child;
    stalled.signal('SIGSTOP');
    const lost = await Promise.all(
      Array.from({ length: 4 }, () => history.transact(clients[1], { a: {}, e: {} })),
    );
    expect(new Set(lost.map(({ code }) => code))).toEqual(new Set(['PREPARE_TIMEOUT']));
    await eventually(
      () => (noted('breaker-opened') === 1 ? true : null),
      () => 'the breaker to open',
    );
    // Some of many may be probes, whose end is another.
    const codes = new Set<string>();
    for (let count = 0; count < 30; count += 1) {
      const call = await history.transact(clients[1], { a: {}, e: {} });
      expect(call).toMatchObject({ ended: 'fail', retryable: true });
      codes.add(call.code ?? '');
    }
    expect(codes).toContain('PARTICIPANT_UNAVAILABLE');
    await load.moreOk(50);
    expect(noted('breaker-opened')).toBe(1);
    expect(noted('breaker-closed')).toBe(0);

    stalled.signal('SIGCONT');
    // The SDK's own way: it waits as long as it is told to, and tries again.
    const again = await clients[1].run(
      async (tx) => {
        await tx.enlist({ participant: 'e', payload: { vote: 'readonly' } });
      },
      { maxAttempts: 1_000, timeoutMs: 20_000 },
    );
    expect(again.outcome).toBe('committed');
    await eventually(
      () => (noted('breaker-closed') === 1 ? true : null),
      () => 'the breaker to close',
    );
    const after = await history.transact(clients[0], { a: {}, e: {} });
    expect(after.ended).toBe('ok');
    await load.moreOk(20);
    await load.stop();
    const failed = load.calls.filter(({ ended, plan, code }) => {
      const planned = Object.values(plan).some(({ vote }) => vote === 'abort');
      return ended !== 'ok' && !planned && code !== 'ROLLED_BACK';
    });
    expect(failed).toEqual([]);
    expect(await cluster.settled()).toEqual([]);
  });
});

describe('a participant with little room', () => {
  /**
   * Votes commit, or acknowledges, at each turn for one of what came, and looks at how much was
   * under way.
   */
  class Slow {
    readonly #peer: RawPeer;
    #votes = 0;
    #acknowledgements = 0;
    maxPrepares = 0;
    maxCommands = 0;

    constructor(peer: RawPeer) {
      this.#peer = peer;
    }

    get acknowledgements(): number {
      return this.#acknowledgements;
    }

    look(): void {
      const { received } = this.#peer;
      const prepares = received.filter(({ type }) => type === 'prepare').length;
      const commits = new Set(
        received.flatMap((each) => (each.type === 'commit' ? each.txid : [])),
      );
      this.maxPrepares = Math.max(this.maxPrepares, prepares - this.#votes);
      this.maxCommands = Math.max(this.maxCommands, commits.size - this.#acknowledgements);
    }

    vote(): boolean {
      this.look();
      const prepares = this.#peer.received.filter((each) => each.type === 'prepare');
      const next = prepares[this.#votes];
      if (next === undefined) return false;
      this.#votes += 1;
      const { txid, branch } = next;
      this.#peer.send({ type: 'vote', txid, branch, vote: 'commit' });
      return true;
    }

    acknowledge(): boolean {
      this.look();
      const commits = new Map(
        this.#peer.received.flatMap((each) => (each.type === 'commit' ? [[each.txid, each]] : [])),
      );
      const next = [...commits.values()][this.#acknowledgements];
      if (next === undefined) return false;
      this.#acknowledgements += 1;
      const { txid, branch } = next;
      this.#peer.send({ type: 'ack', txid, branch, decision: 'commit', ok: true });
      return true;
    }
  }

  it('never has more under way than its windows, and gets its backlog in pieces when it is back', async () => {
    cluster = await Cluster.started({
      participants: [],
      options: { participantWindow: 4, commandWindow: 3, ackTimeoutMs: 20_000 },
    });
    const client = await cluster.client();
    const peer = await RawPeer.participant(cluster.node.url, 'r');
    const slow = new Slow(peer);
    const outcomes = Array.from({ length: 30 }, () =>
      client.transact({ branches: [{ participant: 'r' }] }),
    );
    for (let votes = 0; votes < 30; ) {
      if (slow.vote()) votes += 1;
      else await pause(1);
    }
    const ended = await Promise.all(outcomes);
    expect(ended.filter(({ outcome }) => outcome === 'committed')).toHaveLength(30);
    expect(slow.maxPrepares).toBe(4);
    await eventually(
      () => {
        slow.look();
        return slow.maxCommands === 3 ? true : null;
      },
      () => 'the first commits',
    );
    // Gone with 30 acknowledgements owed, and back.
    await peer.close();
    const back = new Slow(await RawPeer.participant(cluster.node.url, 'r'));
    while (back.acknowledgements < 30) {
      if (!back.acknowledge()) await pause(1);
    }
    expect(back.maxCommands).toBe(3);
    const operator = await cluster.operator();
    await eventually(
      async () => {
        const reply = await operator.ask({ type: 'list', id: nextId(), state: 'COMMITTING' });
        return (reply as { transactions?: unknown[] }).transactions?.length === 0 ? true : null;
      },
      () => 'every commit to be settled',
    );
  });

  it('that reads nothing costs the node no more memory than its windows', async () => {
    cluster = await Cluster.started({
      participants: ['a'],
      options: {
        ...options,
        participantWindow: 8,
        participantQueue: 8,
        transactionTimeoutMs: 2_000,
        // Neither of the two that end such a connection: the windows alone.
        maxBufferedBytes: coordinatorOptionTable.maxBufferedBytes.max,
        heartbeatMs: 60_000,
      },
      nodeSettings: { logLevel: 'info' },
    });
    const client = await cluster.client();
    const peer = await RawPeer.participant(cluster.node.url, 'deaf');
    peer.socket.pause();
    await many(client, 200, ['a', 'a']);
    const beforeBytes = residentBytes(cluster.node.child.pid);
    const outcomes = await many(client, 4_000, ['deaf', 'a']);
    const grownBytes = residentBytes(cluster.node.child.pid) - beforeBytes;
    const codes = new Set(
      outcomes.map((ended) => (ended.outcome === 'aborted' ? ended.reason.code : 'committed')),
    );
    expect(codes).toContain('PARTICIPANT_UNAVAILABLE');
    expect(codes).not.toContain('committed');
    // 4,000 payloads are 400 MB; those that may be under way, 2 MB.
    expect(grownBytes).toBeLessThan(200 * 1_024 * 1_024);
    peer.socket.terminate();
  });
});

let lastId = 0;
const nextId = (): number => {
  lastId += 1;
  return lastId;
};

/**
 * Transactions with 100 KB, 200 at a time; those that are refused are not tried again. On a slow
 * machine some find no place within their time, which is no outcome.
 */
async function many(
  client: Client,
  count: number,
  participants: readonly string[],
): Promise<TransactionOutcome[]> {
  const filling = randomBytes(50_000).toString('hex');
  const outcomes: TransactionOutcome[] = [];
  let left = count;
  const loop = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const branches = participants.map((participant, index) => ({
        participant,
        branch: `${participant}-${index}`,
        payload: { filling: index === 0 ? filling : '' },
      }));
      try {
        outcomes.push(await client.transact({ branches }));
      } catch (error) {
        if (!isVerdictError(error) || error.code !== 'BUSY') throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: 200 }, loop));
  return outcomes;
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
}
