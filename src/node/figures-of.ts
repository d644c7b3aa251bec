/**
 * What a node counted and timed, and how it stands: of this are made the answer to `stats`, the
 * page for Prometheus, and all that shows a node live.
 */
import { bucketsMs, type Figures } from '../core/figures.ts';
import { batchBounds, LogFigures, logOperations } from '../core/log-figures.ts';
import type {
  LogStats,
  ParticipantStats,
  PeerRole,
  StatsReply,
  TransactionState,
} from '../core/messages.ts';
import type { CoordinatorNode } from './node.ts';
import { queuesOf } from './queues.ts';

export type NodeFigures = Omit<StatsReply, 'type' | 'id'>;

/** Further ones are shown together, under a name that stays free for them. */
const maxParticipants = 200;
export const otherParticipants = 'other';

/** One that took long to make is given again for a while. */
export function figuresOf(node: CoordinatorNode): NodeFigures {
  return node.dearAnswers.take('stats', () => make(node));
}

function make(node: CoordinatorNode): NodeFigures {
  const { given, figures, drivers } = node;
  const { log, clock } = given;
  const states: Partial<Record<TransactionState, number>> = {};
  let attention = 0;
  let waiting = 0;
  for (const { term } of drivers.values()) {
    const info = term.info();
    attention += info.attention ?? 0;
    waiting += term.waitingDoubts;
    for (const [state, count] of Object.entries(info.states ?? {})) {
      const name = state as TransactionState;
      states[name] = (states[name] ?? 0) + count;
    }
  }
  const lease = log.lease?.() ?? null;
  const leaders = node.confirmedLeaders();
  return {
    node: given.node,
    atMs: Math.round(clock.monotonicMs() - node.startedAtMs),
    ready: node.ready,
    endings: Object.fromEntries(figures.endings),
    bucketsMs,
    phases: phasesOf(figures),
    states,
    attention,
    flagged: figures.flagged,
    retries: figures.retries,
    doubts: { waiting, asked: figures.doubts, forced: figures.forced },
    participants: participantsOf(node),
    log: logOf(log.figures ?? new LogFigures()),
    ...(lease === null
      ? {}
      : {
          lease: {
            validMs: lease.validMs,
            ...(lease.ageMs === null ? {} : { ageMs: lease.ageMs }),
          },
        }),
    leaderships: {
      led: drivers.size,
      leaderless: leaders.filter((leader) => leader === null).length,
      ...figures.leaderships,
      epochChanges: figures.epochChanges,
    },
    connections: connectionsOf(node),
    refusals: Object.fromEntries(figures.refusals),
    missedVotes: Object.fromEntries(figures.missedVotes),
    bytes: node.traffic,
    queues: queuesOf(node),
    loopDelayMs: given.loopDelay?.().maxMs ?? 0,
  };
}

function phasesOf({ phases }: Figures): NodeFigures['phases'] {
  const { wait, prepare, log, decide, settle } = phases;
  return {
    wait: wait.reading(),
    prepare: prepare.reading(),
    log: log.reading(),
    decide: decide.reading(),
    settle: settle.reading(),
  };
}

function logOf({ operations, appends, unreadable, batch }: LogFigures): LogStats {
  let failures = 0;
  for (const name of logOperations) failures += operations[name].failures;
  const read = (name: (typeof logOperations)[number]) => ({
    latency: operations[name].latency.reading(),
    failures: operations[name].failures,
  });
  const all = {
    decide: read('decide'),
    finish: read('finish'),
    read: read('read'),
    flush: read('flush'),
    other: read('other'),
  };
  // One of the two never happens.
  const durable = all.decide.latency.count > 0 ? all.decide : all.flush;
  return {
    appends,
    unreadable,
    failures,
    latency: durable.latency,
    batch: batch.reading(),
    batchBounds,
    operations: all,
  };
}

function connectionsOf(node: CoordinatorNode): NodeFigures['connections'] {
  const connections: Partial<Record<PeerRole | 'greeting', number>> = {};
  for (const { hello } of node.sessions()) {
    const roles: readonly (PeerRole | 'greeting')[] = hello?.roles ?? ['greeting'];
    for (const role of roles) connections[role] = (connections[role] ?? 0) + 1;
  }
  return connections;
}

function participantsOf(node: CoordinatorNode): ParticipantStats[] {
  const byName = new Map<string, ParticipantStats>();
  for (const { participant } of node.participants.info()) {
    const known = byName.get(participant) ?? idle(participant);
    byName.set(participant, { ...known, instances: known.instances + 1 });
  }
  const { participantWindow } = node.given.options;
  /** Of the shards that know of it. Each other one opens its window with the first prepare. */
  const knownBy = new Map<string, number>();
  for (const { term } of node.drivers.values()) {
    for (const { timeoutMs, ...flow } of term.participants()) {
      knownBy.set(flow.participant, (knownBy.get(flow.participant) ?? 0) + 1);
      const timeout = timeoutMs === null ? {} : { timeoutMs: Math.round(timeoutMs) };
      const own = { instances: 0, ...flow, ...timeout };
      const known = byName.get(flow.participant);
      byName.set(flow.participant, known === undefined ? own : together(known, own));
    }
  }
  for (const [name, { window, ...more }] of byName) {
    const unopened = node.drivers.size - (knownBy.get(name) ?? 0);
    byName.set(name, { ...more, window: window + unopened * participantWindow });
  }
  const named = [...byName.values()].filter(({ participant }) => participant !== otherParticipants);
  if (named.length > maxParticipants) named.sort((a, b) => weightOf(b) - weightOf(a));
  const rest = named.splice(maxParticipants);
  const own = byName.get(otherParticipants);
  const others = own === undefined ? rest : [own, ...rest];
  if (others.length === 0) return named;
  return [...named, others.reduce(together, idle(otherParticipants))];
}

function idle(participant: string): ParticipantStats {
  return { participant, instances: 0, window: 0, inFlight: 0, waiting: 0, breaker: 'closed' };
}

/** Those in trouble first: they are looked for. */
function weightOf({ breaker, inFlight, waiting }: ParticipantStats): number {
  return inFlight + waiting + (breaker === 'closed' ? 0 : 1_000_000_000);
}

const breakers = ['closed', 'half-open', 'open'] as const;

function together(one: ParticipantStats, other: ParticipantStats): ParticipantStats {
  const worst = Math.max(breakers.indexOf(one.breaker), breakers.indexOf(other.breaker));
  const timeoutMs = Math.max(one.timeoutMs ?? 0, other.timeoutMs ?? 0);
  return {
    participant: one.participant,
    instances: one.instances + other.instances,
    window: one.window + other.window,
    inFlight: one.inFlight + other.inFlight,
    waiting: one.waiting + other.waiting,
    breaker: breakers[worst] ?? 'closed',
    ...(timeoutMs === 0 ? {} : { timeoutMs }),
  };
}
