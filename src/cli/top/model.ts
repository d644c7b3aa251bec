/** What `top` shows: made of the nodes' readings alone, so that it can be drawn, or be a line. */
import { type Phase, phases } from '../../core/figures.ts';
import {
  type LeaderInfo,
  type ParticipantStats,
  type StatsReply,
  type TransactionState,
  transactionStates,
} from '../../core/messages.ts';
import { percentile } from '../../core/percentile.ts';
import type { StatsAnswer } from '../operator/every-node.ts';
import { type Activity, activity, type StatsReading } from './rates.ts';

export interface NodeRow {
  readonly node: string;
  readonly url: string;
  /** `gone`: it does not answer. `ready` and `not ready` are its own words. */
  readonly state: 'ready' | 'not ready' | 'gone';
  /** Of one that is gone: when it answered last, on the wall; absent: it never did. */
  readonly staleSince?: string;
  readonly problem?: string;
  /** It was started anew, as this reading shows for the first time. */
  readonly restarted?: true;
  /** All that follows is of now: a node that is gone has none of it. */
  readonly upMs?: number;
  readonly leads?: number;
  /** Per second; absent: there is one reading only. */
  readonly committed?: number;
  readonly aborted?: number;
  readonly inFlight?: number;
  readonly attention?: number;
  readonly connections?: number;
  readonly loopDelayMs?: number;
  readonly leaseAgeMs?: number;
  readonly leaseValidMs?: number;
}

export interface PhaseRow {
  readonly phase: Phase;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly perSecond: number;
}

export interface ParticipantRow extends Omit<ParticipantStats, 'timeoutMs'> {
  /** At how many nodes the breaker is not closed. */
  readonly brokenAt: number;
}

export interface Snapshot {
  /** Wall time. */
  readonly at: string;
  readonly cluster: string;
  /** Per second, of the nodes that answer; null: not known yet. */
  readonly committed: number | null;
  readonly aborted: number | null;
  /** By how they ended, per second, the most frequent first. */
  readonly endings: Readonly<Record<string, number>>;
  readonly phases: readonly PhaseRow[];
  readonly states: Readonly<Partial<Record<TransactionState, number>>>;
  readonly inFlight: number;
  readonly attention: number;
  /** Questions about transactions in doubt that wait for the log. */
  readonly doubts: number;
  /** Shards that no one is known to lead. */
  readonly leaderless: number;
  /** By node, the shards that it leads. */
  readonly leaders: Readonly<Record<string, readonly number[]>>;
  readonly nodes: readonly NodeRow[];
  readonly participants: readonly ParticipantRow[];
  /** Given addresses at which no node has answered yet. */
  readonly silent: readonly { readonly url: string; readonly problem: string }[];
}

export interface Taken {
  readonly cluster: string;
  readonly answers: readonly StatsAnswer[];
  readonly leaders: readonly (LeaderInfo | null)[];
  readonly silent: Snapshot['silent'];
  /** Monotonic, as in the answers, and on the wall. */
  readonly nowMs: number;
  readonly wallMs: number;
}

interface Known {
  last: StatsReading | null;
  activity: Activity | null;
  /** Whether the reading before this one was of the process before. */
  restarted: boolean;
}

const breakers = ['closed', 'half-open', 'open'] as const;
const isDone = (state: string): boolean => state === 'COMMITTED' || state === 'ABORTED';
export const statesShown: readonly TransactionState[] = transactionStates.filter(
  (state) => !isDone(state),
);

export class TopModel {
  readonly #nodes = new Map<string, Known>();

  /** Takes in what all nodes said, and tells what is to be shown. */
  take(taken: Taken): Snapshot {
    const rows = taken.answers.map((answer) => this.#row(answer, taken));
    const live = taken.answers.flatMap(({ reply }) => (reply === null ? [] : [reply]));
    const activities = taken.answers.flatMap(({ node, reply }) => {
      const known = reply === null ? null : (this.#nodes.get(node)?.activity ?? null);
      return known === null ? [] : [known];
    });
    const endings = endingsOf(activities);
    const states = statesOf(live);
    const sum = (of: (stats: StatsReply) => number): number =>
      live.reduce((total, stats) => total + of(stats), 0);
    return {
      at: isoText(taken.wallMs),
      cluster: taken.cluster,
      committed: activities.length === 0 ? null : rateOf(endings, true),
      aborted: activities.length === 0 ? null : rateOf(endings, false),
      endings: Object.fromEntries(endings),
      phases: phases.map((phase) => phaseRow(phase, activities)),
      states,
      inFlight: inFlightOf(states),
      attention: sum(({ attention }) => attention),
      doubts: sum(({ doubts }) => doubts.waiting),
      leaderless: taken.leaders.filter((leader) => leader === null).length,
      leaders: shardsByNode(taken.leaders),
      nodes: rows,
      participants: participantsOf(live),
      silent: taken.silent,
    };
  }

  #row(answer: StatsAnswer, { nowMs, wallMs }: Taken): NodeRow {
    const { node, url, reply, problem, sentAtMs, receivedAtMs } = answer;
    const known = this.#known(node);
    if (reply === null) {
      const { last } = known;
      return {
        node,
        url,
        state: 'gone',
        ...(last !== null && { staleSince: isoText(wallMs - (nowMs - last.receivedAtMs)) }),
        ...(problem !== null && { problem }),
      };
    }
    this.#learn(known, { stats: reply, sentAtMs, receivedAtMs });
    const rates = known.activity === null ? [] : endingsOf([known.activity]);
    const { lease } = reply;
    return {
      node,
      url,
      state: reply.ready ? 'ready' : 'not ready',
      ...(known.restarted && { restarted: true }),
      upMs: reply.atMs,
      leads: reply.leaderships.led,
      ...(known.activity !== null && {
        committed: rateOf(rates, true),
        aborted: rateOf(rates, false),
      }),
      inFlight: inFlightOf(reply.states),
      attention: reply.attention,
      connections: Object.values(reply.connections).reduce((sum, count) => sum + count, 0),
      loopDelayMs: reply.loopDelayMs,
      ...(lease?.ageMs !== undefined && { leaseAgeMs: lease.ageMs }),
      ...(lease !== undefined && { leaseValidMs: lease.validMs }),
    };
  }

  #known(node: string): Known {
    const known = this.#nodes.get(node) ?? { last: null, activity: null, restarted: false };
    this.#nodes.set(node, known);
    return known;
  }

  #learn(known: Known, reading: StatsReading): void {
    const { last } = known;
    known.restarted = false;
    if (last === null) {
      known.last = reading;
      return;
    }
    const between = activity(last, reading);
    // An answer that was given again says nothing new.
    if (between === null && reading.stats.atMs === last.stats.atMs) return;
    known.activity = between;
    known.restarted = between?.isAnew === true;
    known.last = reading;
  }
}

function isoText(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

const committedEndings: ReadonlySet<string> = new Set(['committed', 'readonly']);

type Rates = readonly (readonly [ending: string, perSecond: number])[];

function endingsOf(activities: readonly Activity[]): Rates {
  const sums = new Map<string, number>();
  for (const { endings, seconds } of activities) {
    for (const [ending, count] of Object.entries(endings)) {
      sums.set(ending, (sums.get(ending) ?? 0) + count / seconds);
    }
  }
  return [...sums].sort((a, b) => b[1] - a[1]);
}

function rateOf(rates: Rates, committed: boolean): number {
  return rates.reduce(
    (sum, [ending, rate]) => sum + (committedEndings.has(ending) === committed ? rate : 0),
    0,
  );
}

function phaseRow(phase: Phase, activities: readonly Activity[]): PhaseRow {
  const counts: number[] = [];
  let perSecond = 0;
  for (const each of activities) {
    let total = 0;
    for (const [index, count] of each.phases[phase].entries()) {
      counts[index] = (counts[index] ?? 0) + count;
      total += count;
    }
    perSecond += total / each.seconds;
  }
  const bucketsMs = activities[0]?.bucketsMs ?? [];
  const part = (of: number): number | null => percentile(counts, bucketsMs, of);
  return { phase, p50Ms: part(0.5), p99Ms: part(0.99), perSecond };
}

function statesOf(live: readonly StatsReply[]): Snapshot['states'] {
  const states: Partial<Record<TransactionState, number>> = {};
  for (const state of statesShown) {
    states[state] = live.reduce((sum, stats) => sum + (stats.states[state] ?? 0), 0);
  }
  return states;
}

function inFlightOf(states: Snapshot['states']): number {
  return statesShown.reduce((sum, state) => sum + (states[state] ?? 0), 0);
}

function shardsByNode(leaders: Taken['leaders']): Record<string, number[]> {
  const byNode: Record<string, number[]> = {};
  for (const leader of leaders) {
    if (leader === null) continue;
    byNode[leader.node] = [...(byNode[leader.node] ?? []), leader.shard];
  }
  return byNode;
}

/** An instance is connected to every node; each node has a window of its own. */
function participantsOf(live: readonly StatsReply[]): ParticipantRow[] {
  const byName = new Map<string, ParticipantRow>();
  for (const { participants } of live) {
    for (const { timeoutMs: _timeoutMs, ...one } of participants) {
      const brokenAt = one.breaker === 'closed' ? 0 : 1;
      const other = byName.get(one.participant);
      byName.set(one.participant, other === undefined ? { ...one, brokenAt } : both(other, one));
    }
  }
  return [...byName.values()].sort((a, b) => (a.participant < b.participant ? -1 : 1));
}

function both(one: ParticipantRow, other: ParticipantStats): ParticipantRow {
  const worst = Math.max(breakers.indexOf(one.breaker), breakers.indexOf(other.breaker));
  return {
    participant: one.participant,
    instances: Math.max(one.instances, other.instances),
    window: one.window + other.window,
    inFlight: one.inFlight + other.inFlight,
    waiting: one.waiting + other.waiting,
    breaker: breakers[worst] ?? 'closed',
    brokenAt: one.brokenAt + (other.breaker === 'closed' ? 0 : 1),
  };
}
