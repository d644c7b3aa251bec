import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { Transact } from '../../src/core/messages.ts';
import { checkExplanation } from '../support/checks/explanations.ts';
import { instances, TermWorld } from '../support/core/term-world.ts';

/** What may happen next; several times in the list: more often. */
const happenings = [
  ...['connect', 'connect', 'disconnect', 'respond', 'respond', 'respond', 'respond', 'respond'],
  ...[
    'keep-and-respond',
    'misbehave',
    'misbehave',
    'working',
    'answer',
    'answer',
    'answer',
    'answer',
  ],
  ...['answer', 'fail-read', 'uncertain', 'begin', 'enlist', 'enlist', 'enlist-itself', 'commit'],
  ...['commit', 'rollback', 'transact', 'transact', 'request', 'request', 'request', 'repeat'],
  ...['query', 'resolve', 'status', 'report', 'force', 'scan', 'scan', 'advance', 'advance'],
  ...['advance-far', 'advance-very-far', 'collect', 'collect', 'drain', 'tick', 'retire', 'lost'],
  ...['lock', 'lock', 'lock', 'lock', 'acknowledge', 'acknowledge', 'retry-now'],
] as const;
type Happening =
  | (typeof happenings)[number]
  | 'connect'
  | 'disconnect'
  | 'respond'
  | 'keep-and-respond';

const move = fc.tuple(
  fc.constantFrom<Happening>(...happenings),
  fc.nat(999),
  fc.nat(999),
  fc.nat(999),
);
const moves = fc.array(move, { minLength: 5, maxLength: 90, size: 'max' });
const beginning = fc.record({
  connected: fc.subarray(instances.map((_, index) => index)),
  inherited: fc.array(fc.nat(31), { maxLength: 3 }),
  options: fc.record({
    participantWaitMs: fc.constantFrom(0, 2_000),
    prepareTimeoutMs: fc.constantFrom(0, 5_000),
    prepareTimeoutMsMin: fc.constantFrom(0, 100),
    participantWindow: fc.constantFrom(1, 2, 256),
    participantQueue: fc.constantFrom(0, 1, 1_024),
    commandWindow: fc.constantFrom(1, 2, 256),
    breakerAfter: fc.constantFrom(0, 1, 2),
    breakerPauseMs: fc.constantFrom(1, 1_000),
    attentionAfter: fc.constantFrom(0, 1, 10),
    maxRecent: fc.constantFrom(0, 2, 10_000),
    lockHoldMs: fc.constantFrom(0, 3_000, 60_000),
  }),
});

const participants = ['a', 'b', 'c', 'd'] as const;

function branchesOf(number: number): Transact['branches'] {
  const chosen = participants.filter((_, index) => (number >> index) % 2 === 1);
  // `d` never connects: rare enough to leave most transactions a chance.
  const reachable = number % 7 === 0 ? chosen : chosen.filter((name) => name !== 'd');
  return reachable.length === 0
    ? [{ participant: 'a' }]
    : reachable.map((participant) => ({ participant }));
}

function keysOf(number: number): string[] {
  const keys = ['k', 'l', 'm'].filter((_, index) => (number >> index) % 2 === 1);
  return keys.length === 0 ? ['k'] : keys;
}

/** Of half of the one-shots. */
function locksOf(number: number): Pick<Transact, 'locks'> {
  if (number % 2 === 0) return {};
  const mode = number % 3 === 0 ? 'shared' : 'exclusive';
  return { locks: [{ keys: keysOf(number >> 1), mode }] };
}

function happen(world: TermWorld, what: Happening, x: number, y: number, z: number): void {
  const txid =
    world.txids[world.txids.length - 1 - (x % Math.max(1, Math.min(6, world.txids.length)))];
  const { inbox, open, work } = world;
  switch (what) {
    case 'connect':
      world.connect(instances[x % instances.length] as (typeof instances)[number]);
      return;
    case 'disconnect':
      if (open.length > 0) world.disconnect(x % open.length);
      return;
    case 'respond':
    case 'keep-and-respond':
    case 'misbehave': {
      const index = x % Math.max(1, inbox.length);
      const delivery = inbox[index];
      if (delivery === undefined) return;
      if (what === 'respond') inbox.splice(index, 1);
      const honest = what !== 'misbehave';
      world.respond(delivery, { vote: y, honest, from: !honest && z % 2 === 0 ? z : null });
      return;
    }
    case 'working':
      if (txid !== undefined && open.length > 0) world.working(y % open.length, txid, 'a');
      return;
    case 'answer':
      world.answer(x % Math.max(1, work.length));
      return;
    case 'fail-read':
      world.answer(x % Math.max(1, work.length), { fail: true });
      return;
    case 'uncertain':
      world.answer(x % Math.max(1, work.length), { certain: false });
      return;
    case 'begin':
      world.ask((id) => ({
        type: 'begin',
        id,
        ...(y % 3 === 0 ? { timeoutMs: 1 + (z % 500) } : {}),
      }));
      return;
    case 'transact':
      world.ask((id) => ({
        type: 'transact',
        id,
        announce: true,
        branches: branchesOf(y),
        ...locksOf(z),
      }));
      return;
    case 'request': {
      // New ones as time goes by, so that there are always some within their window.
      const period = Math.floor(world.nowMs / 200_000);
      const requestId = `r${x % 3}${period === 0 ? '' : `.${period}`}`;
      // Some clients overstate it; none may understate it.
      const claimedMs = z % 10 === 0 ? 120_001 : z % 4 === 0 ? 119_000 : 0;
      world.ask(
        (id) => ({
          type: 'transact',
          id,
          announce: true,
          requestId,
          attempt: 1 + (y % 3),
          requestAgeMs: Math.max(claimedMs, world.requestAgeMs(requestId)),
          branches: branchesOf(z),
          // The same for each copy of a request.
          ...locksOf([1, 5, 0][x % 3] ?? 0),
        }),
        { hash: `hash-${y % 8 === 0 ? 1 : 0}` },
      );
      return;
    }
    case 'repeat': {
      const sent = [...world.checker.asked.values()].flatMap(({ message }) =>
        message.type === 'transact' && message.requestId !== undefined ? [message] : [],
      );
      const message = sent[x % Math.max(1, sent.length)];
      if (message?.requestId === undefined) return;
      const requestAgeMs = world.requestAgeMs(message.requestId);
      world.ask((id) => ({ ...message, id, requestAgeMs }), { hash: 'hash-0' });
      return;
    }
    case 'report': {
      const witness = {
        generation: 0,
        revision: String(world.log.revision + (z % 9 === 0 ? 5 : 0)),
      };
      if (open.length === 0) return;
      const kept = world.txids.filter(
        (known, index) => (y >> index) % 2 === 1 && world.log.outcome(known) === 'commit',
      );
      const inDoubt = world.txids.filter((_, index) => (z >> index) % 2 === 1);
      world.ask(
        (id) => ({
          type: 'report',
          id,
          kept,
          inDoubt: inDoubt.map((known) => ({ txid: known, witness })),
        }),
        { as: x % open.length },
      );
      return;
    }
    case 'scan':
      return world.scan();
    case 'advance':
      return world.advance(x);
    case 'advance-far':
      return world.advance(x * 40);
    case 'advance-very-far':
      return world.advance(x * 300);
    case 'collect':
      return world.collect();
    case 'drain':
      if (x % 8 === 0) world.step({ type: 'drain' });
      return;
    case 'tick':
      return world.tick();
    case 'retire':
      if (x % 4 !== 0) return;
      if (y % 3 === 0) world.retireResource(instances[2] as (typeof instances)[number]);
      // Never all of those that share it: no one would be left to finish what is theirs.
      else world.retire(instances[1 + (y % 2)] as (typeof instances)[number]);
      return;
    case 'lost':
      if (x % 4 === 0) world.step({ type: 'lost' });
      return;
    default:
      if (txid !== undefined) aboutTransaction(world, what, { txid, y, z });
  }
}

function aboutTransaction(
  world: TermWorld,
  what: Happening,
  { txid, y, z }: { txid: TermWorld['txids'][number]; y: number; z: number },
): void {
  const { open } = world;
  const peer = open[y % Math.max(1, open.length)];
  switch (what) {
    case 'enlist':
      world.ask((id) => ({ type: 'enlist', id, txid, participant: participants[y % 3] ?? 'a' }));
      return;
    case 'enlist-itself':
      if (peer === undefined) return;
      world.ask(
        (id) => ({
          type: 'enlist',
          id,
          txid,
          participant: peer.instance.participant,
          branch: `self-${z % 2}`,
        }),
        { as: y % open.length },
      );
      return;
    case 'lock':
      world.ask((id) => ({
        type: 'lock',
        id,
        txid,
        keys: keysOf(y),
        mode: z % 3 === 0 ? 'shared' : 'exclusive',
        ...(z % 5 === 0 ? { waitMs: z } : {}),
      }));
      return;
    case 'commit':
      world.ask((id) => ({ type: 'commit', id, txid }));
      return;
    case 'rollback':
      world.ask((id) => ({ type: 'rollback', id, txid }));
      return;
    case 'query':
      world.ask((id) => ({ type: 'query', id, txid, inDoubt: z % 2 === 0 }), { as: y });
      return;
    case 'resolve':
      world.ask((id) => ({ type: 'resolve', id, txid }), { as: y });
      return;
    case 'status':
      world.ask((id) => ({ type: 'status', id, txid }));
      return;
    case 'acknowledge': {
      if (txid === undefined) return;
      const names = ['a', 'b', 'c', ...instances.map(({ instance }) => `x-${instance}`)];
      const branch = names[y % names.length] ?? 'a';
      world.ask((id) => ({ type: 'acknowledge', id, txid, branch, reason: 'lost', by: 'ops' }));
      return;
    }
    case 'retry-now':
      if (txid !== undefined) world.ask((id) => ({ type: 'retry', id, txid }));
      return;
    case 'force':
      if (!world.lost) world.log.force(txid);
      return;
    default:
      throw new Error(`nothing is done for ${what}`);
  }
}

const numRuns = Number(process.env['TERM_RUNS'] ?? 20_000);
const seed = process.env['TERM_SEED'];

describe('a term', () => {
  it('keeps its invariants through anything, and comes to rest when everybody behaves', () => {
    fc.assert(
      fc.property(beginning, moves, (start, happened) => {
        const world = new TermWorld(start.options);
        for (const [index, number] of start.inherited.entries()) {
          const requestId = number % 3 === 0 ? `r${number % 2}` : null;
          if (requestId !== null && world.log.requests.has(requestId)) continue;
          world.inherit(32 * (index + 1) + number, {
            requestId,
            finished: number % 5 === 0,
            ...(number % 4 === 0
              ? { locks: { group: 'default', exclusive: keysOf(number >> 2), shared: [] } }
              : {}),
          });
        }
        // Most leaders have read the log long before anything happens.
        if (start.inherited.length !== 2) {
          world.scan();
          while (world.work.length > 0) world.answer(0);
        }
        for (const index of start.connected) {
          world.connect(instances[index] as (typeof instances)[number]);
        }
        for (const [what, x, y, z] of happened) happen(world, what, x, y, z);
        // All of it is data: a function, or an iterator, cannot be copied.
        if (happened.length % 8 === 0) structuredClone(world.term.memory);
        if (happened.length % 4 === 0) {
          for (const txid of world.txids.slice(-2)) checkExplanation(world, txid, happened.length);
        }
        world.heal();
      }),
      { numRuns, ...(seed === undefined ? {} : { seed: Number(seed) }) },
    );
  });
});
