/**
 * What of a node's metrics says that something is wrong, from its last few samples. Names are those
 * of docs/METRICS.md; `up` is Prometheus' own, 0 where a scrape fails.
 */
import type { HistogramReading } from '../../../src/core/figures.ts';
import type { StatsReply } from '../../../src/core/messages.ts';

export interface Sample {
  readonly source: string;
  readonly atMs: number;
  readonly read: Reading;
}

export type Reading =
  | { readonly type: 'stats'; readonly stats: StatsReply }
  | {
      readonly type: 'client';
      readonly connections: number;
      /** The most that there were so far. With one node away it has more than half of them. */
      readonly most: number;
      readonly retries: number;
    }
  /** It gave no answer. */
  | { readonly type: 'none'; readonly why: string };

export interface Signal {
  readonly source: string;
  readonly atMs: number;
  readonly metric: string;
  readonly text: string;
}

/** A wait of that many samples is none that a few slow votes make. */
const standsStill = 4;
const slowLogMs = 250;
const slowPrepareMs = 1_000;
/** A participant in doubt gives a leader that is silent for 160 ms up. */
const loopJumpMs = 100;

/** Aborts and errors that no application asked for. */
const troubles: ReadonlySet<string> = new Set([
  'PREPARE_TIMEOUT',
  'PARTICIPANT_UNAVAILABLE',
  'TRANSACTION_TIMEOUT',
  'LEADER_CHANGED',
  'FORCED',
  'NOT_LEADER',
  'BUSY',
  'LOG_UNAVAILABLE',
  'FORBIDDEN',
  'UNAUTHENTICATED',
  'OUTCOME_UNKNOWN',
  'UNKNOWN_TRANSACTION',
]);

/** `samples`: of one source, in order; the last one is what is judged. */
export function signalsOf(samples: readonly Sample[]): Signal[] {
  const now = samples.at(-1);
  if (now === undefined) return [];
  const { source, atMs, read } = now;
  const signal = (metric: string, text: string): Signal => ({ source, atMs, metric, text });
  if (read.type === 'none') return [signal('up', read.why)];
  const before = samples.at(-2)?.read;
  if (read.type === 'client') {
    const was = before?.type === 'client' ? before : read;
    return [
      ...(read.connections < was.connections || read.connections < read.most / 2
        ? [signal('verdict_client_connections', `${read.connections} of ${read.most}`)]
        : []),
      ...(read.retries > was.retries
        ? [signal('verdict_client_retries_total', `+${read.retries - was.retries}`)]
        : []),
    ];
  }
  const { stats } = read;
  const found = standing(stats);
  if (before?.type === 'stats') {
    if (stats.atMs < before.stats.atMs) found.push(['verdict_uptime_seconds', 'started anew']);
    else found.push(...moved(before.stats, stats));
  }
  const last = samples
    .slice(-standsStill)
    .flatMap((each) => (each.read.type === 'stats' ? [each.read.stats] : []));
  if (last.length === standsStill) found.push(...still(last));
  return found.map(([metric, text]) => signal(metric, text));
}

type Found = [metric: string, text: string];

/** Gauges that are not as they should be. */
function standing({ leaderships, lease, participants }: StatsReply): Found[] {
  const found: Found[] = [];
  if (leaderships.leaderless > 0)
    found.push(['verdict_shards_without_leader', `${leaderships.leaderless}`]);
  if (lease !== undefined && lease.ageMs === undefined) found.push(['verdict_lease_held', '0']);
  if (lease?.ageMs !== undefined && lease.ageMs > lease.validMs * 0.75)
    found.push(['verdict_lease_age_seconds', `${Math.round(lease.ageMs)} of ${lease.validMs} ms`]);
  for (const { participant, breaker, instances, waiting } of participants) {
    if (breaker !== 'closed')
      found.push([`verdict_participant_breaker_state`, `${participant} ${breaker}`]);
    if (instances === 0) found.push(['verdict_participant_instances', `${participant} 0`]);
    if (waiting > 0) found.push(['verdict_participant_waiting', `${participant} ${waiting}`]);
  }
  return found;
}

function moved(before: StatsReply, now: StatsReply): Found[] {
  const found: Found[] = [];
  const grew = (metric: string, was: number, is: number, of = ''): void => {
    if (is > was) found.push([metric, `${of === '' ? '' : `${of} `}+${is - was}`]);
  };
  const [led, is] = [before.leaderships, now.leaderships];
  grew('verdict_epoch_changes_total', led.epochChanges, is.epochChanges);
  grew('verdict_leaderships_begun_total', led.begun, is.begun);
  grew('verdict_leaderships_ended_total', led.lost + led.given, is.lost + is.given);
  for (const [code, count] of Object.entries(now.endings))
    if (troubles.has(code))
      grew('verdict_transactions_ended_total', before.endings[code] ?? 0, count, code);
  for (const [name, count] of Object.entries(now.missedVotes ?? {}))
    grew('verdict_participant_votes_missed_total', before.missedVotes?.[name] ?? 0, count, name);
  for (const [code, count] of Object.entries(now.refusals))
    if (troubles.has(code)) grew('verdict_refusals_total', before.refusals[code] ?? 0, count, code);
  for (const name of ['decide', 'finish', 'read', 'other'] as const) {
    const [was, op] = [before.log.operations[name], now.log.operations[name]];
    grew('verdict_log_failures_total', was.failures, op.failures, name);
    if (slower(was.latency, op.latency, now.bucketsMs, slowLogMs) > 0)
      found.push(['verdict_log_operation_seconds', `${name} over ${slowLogMs} ms`]);
  }
  const slow = slower(before.phases.prepare, now.phases.prepare, now.bucketsMs, slowPrepareMs);
  if (slow > 0)
    found.push(['verdict_transaction_phase_seconds', `prepare over ${slowPrepareMs} ms, ${slow}`]);
  for (const role of ['client', 'participant', 'node'] as const) {
    const [was = 0, open = 0] = [before.connections[role], now.connections[role]];
    if (open < was) found.push(['verdict_connections', `${role} ${was} to ${open}`]);
  }
  for (const { participant, instances } of before.participants) {
    const left = now.participants.find((each) => each.participant === participant)?.instances ?? 0;
    if (left < instances)
      found.push(['verdict_participant_instances', `${participant} ${instances} to ${left}`]);
  }
  if (now.loopDelayMs > before.loopDelayMs + loopJumpMs)
    found.push(['verdict_event_loop_delay_seconds', `${Math.round(now.loopDelayMs)} ms`]);
  return found;
}

/** How many came in above the bound. */
function slower(
  before: HistogramReading,
  now: HistogramReading,
  bounds: readonly number[],
  aboveMs: number,
): number {
  return now.counts.reduce(
    (sum, count, at) =>
      at > 0 && (bounds[at - 1] ?? 0) >= aboveMs ? sum + count - (before.counts[at] ?? 0) : sum,
    0,
  );
}

/** Something waits in each of them, and none of it went on. */
function still(samples: readonly StatsReply[]): Found[] {
  const [first] = samples;
  const now = samples.at(-1);
  if (first === undefined || now === undefined || now.atMs < first.atMs) return [];
  const found: Found[] = [];
  const waits = (state: 'READY' | 'PREPARING'): boolean =>
    samples.every(({ states }) => (states[state] ?? 0) > 0);
  if (waits('READY') && now.log.appends === first.log.appends)
    found.push(['verdict_log_appends_total', 'stands still, with transactions READY']);
  if (waits('PREPARING') && now.phases.prepare.count === first.phases.prepare.count)
    found.push(['verdict_participant_prepares', 'stand still']);
  return found;
}
