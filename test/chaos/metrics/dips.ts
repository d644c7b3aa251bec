/**
 * Dips in what clients saw, and the metrics that moved meanwhile. A dip is a stretch without
 * commits, or with few, or a call that failed for no reason of the application.
 */
import type { Signal } from './signals.ts';

/** A call as its client saw it end. */
export interface Seen {
  readonly endedMs: number;
  readonly tookMs: number;
  /** `app`: its abort is none of the system's doing. */
  readonly ended: 'committed' | 'app' | 'failed';
  readonly code: string | null;
}

export interface Dip {
  readonly what: string;
  /** Metrics that may explain it. */
  readonly by: ReadonlySet<string>;
  readonly fromMs: number;
  readonly toMs: number;
  /** Where its cause may lie: a call that ended badly was under way before. */
  readonly sinceMs: number;
}

const leadership = [
  'up',
  'verdict_uptime_seconds',
  'verdict_epoch_changes_total',
  'verdict_shards_without_leader',
  'verdict_leaderships_begun_total',
  'verdict_leaderships_ended_total',
  'verdict_lease_held',
  'verdict_lease_age_seconds',
];
const decisionLog = [
  'verdict_log_failures_total',
  'verdict_log_operation_seconds',
  'verdict_log_appends_total',
];
const participants = [
  'verdict_participant_breaker_state',
  'verdict_participant_instances',
  'verdict_participant_waiting',
  'verdict_participant_prepares',
  'verdict_participant_votes_missed_total',
  'verdict_transaction_phase_seconds',
];
const connections = [
  'verdict_connections',
  'verdict_client_connections',
  'verdict_refusals_total',
  'verdict_client_retries_total',
];
const anything: ReadonlySet<string> = new Set([
  ...leadership,
  ...decisionLog,
  ...participants,
  ...connections,
  'verdict_event_loop_delay_seconds',
]);

/** That the abort itself is counted explains nothing: its cause must be seen. */
const causes: Readonly<Record<string, ReadonlySet<string>>> = {
  PARTICIPANT_UNAVAILABLE: new Set(participants),
  PREPARE_TIMEOUT: new Set(participants),
  // Also where the answer was lost with the connection, and asked for later without its reason.
  LEADER_CHANGED: new Set([...leadership, ...connections]),
  UNKNOWN_TRANSACTION: new Set(leadership),
  NOT_LEADER: new Set(leadership),
  LOG_UNAVAILABLE: new Set([...leadership, ...decisionLog]),
};

export interface Explained extends Dip {
  readonly signals: readonly Signal[];
}

export interface DipBounds {
  readonly gapMs: number;
  /** Of the median of commits per slot. */
  readonly slump: number;
}

export const usualBounds: DipBounds = { gapMs: 750, slump: 0.25 };
const slotMs = 1_000;
/** Failures that close to each other are one dip. */
const togetherMs = 500;
/** A cause comes before what it does; and it is scraped only so often. */
const beforeMs = 1_000;
const afterMs = 500;

export function dipsIn(
  seen: readonly Seen[],
  span: { readonly fromMs: number; readonly toMs: number },
  bounds: DipBounds = usualBounds,
): Dip[] {
  return [
    ...gaps(seen, span, bounds),
    ...slumps(seen, span, bounds.slump, slotMs),
    ...failures(seen),
  ].sort((one, other) => one.fromMs - other.fromMs);
}

function commitsOf(seen: readonly Seen[]): number[] {
  return seen
    .flatMap(({ ended, endedMs }) => (ended === 'committed' ? [endedMs] : []))
    .sort((one, other) => one - other);
}

function gaps(
  seen: readonly Seen[],
  { fromMs, toMs }: { fromMs: number; toMs: number },
  { gapMs }: DipBounds,
): Dip[] {
  const found: Dip[] = [];
  let last = fromMs;
  for (const at of [...commitsOf(seen), toMs]) {
    if (at - last > gapMs) {
      const what = `no commit for ${Math.round(at - last)} ms`;
      found.push({ what, by: anything, fromMs: last, toMs: at, sinceMs: last });
    }
    last = Math.max(last, at);
  }
  return found;
}

/** Of one load, which is less even than all of them: fewer commits, told by longer stretches. */
export function slumpsIn(
  seen: readonly Seen[],
  span: { readonly fromMs: number; readonly toMs: number },
): Dip[] {
  return slumps(seen, span, usualBounds.slump, 2 * slotMs);
}

function slumps(
  seen: readonly Seen[],
  { fromMs, toMs }: { fromMs: number; toMs: number },
  slump: number,
  everyMs: number,
): Dip[] {
  const counts = new Array<number>(Math.max(0, Math.floor((toMs - fromMs) / everyMs))).fill(0);
  for (const at of commitsOf(seen)) {
    const slot = Math.floor((at - fromMs) / everyMs);
    if (slot in counts) counts[slot] = (counts[slot] ?? 0) + 1;
  }
  const median = counts.toSorted((one, other) => one - other)[Math.floor(counts.length / 2)] ?? 0;
  const found: Dip[] = [];
  for (const [slot, count] of counts.entries()) {
    if (count >= median * slump) continue;
    const start = fromMs + slot * everyMs;
    const last = found.at(-1);
    if (last?.toMs === start) found.pop();
    const since = last?.toMs === start ? last.fromMs : start;
    const end = start + everyMs;
    const what = `under ${Math.round(slump * 100)} % of ${median} commits in ${everyMs / 1_000} s`;
    found.push({ what, by: anything, fromMs: since, toMs: end, sinceMs: since });
  }
  return found;
}

/** Of one code, and close to each other. */
function failures(seen: readonly Seen[]): Dip[] {
  const failed = seen.filter(({ ended }) => ended === 'failed');
  failed.sort((one, other) => one.endedMs - other.endedMs);
  const open = new Map<string | null, Seen[]>();
  const groups: Seen[][] = [];
  for (const each of failed) {
    const group = open.get(each.code);
    const last = group?.at(-1);
    if (group !== undefined && last !== undefined && each.endedMs - last.endedMs <= togetherMs) {
      group.push(each);
      continue;
    }
    const fresh = [each];
    groups.push(fresh);
    open.set(each.code, fresh);
  }
  return groups.map((group) => {
    const code = group[0]?.code ?? null;
    const ends = group.map(({ endedMs }) => endedMs);
    return {
      what: `${group.length} failed with ${code ?? 'no answer'}`,
      by: causes[code ?? ''] ?? anything,
      fromMs: Math.min(...ends),
      toMs: Math.max(...ends),
      sinceMs: Math.min(...group.map(({ endedMs, tookMs }) => endedMs - tookMs)),
    };
  });
}

export function explained(dips: readonly Dip[], signals: readonly Signal[]): Explained[] {
  return dips.map((dip) => ({
    ...dip,
    signals: signals.filter(
      ({ atMs, metric }) =>
        dip.by.has(metric) && atMs >= dip.sinceMs - beforeMs && atMs <= dip.toMs + afterMs,
    ),
  }));
}

/**
 * How many of the same dips would be explained at other moments of the run, which they did not
 * fall on: what is left of that is no explanation but chance.
 */
export function byChance(
  dips: readonly Dip[],
  signals: readonly Signal[],
  span: { readonly fromMs: number; readonly toMs: number },
): number {
  const length = span.toMs - span.fromMs;
  const tries = 20;
  let hits = 0;
  for (let turn = 1; turn <= tries; turn += 1) {
    const by = (length * turn) / (tries + 1);
    const moved = dips.map((dip) => {
      const over = dip.toMs + by > span.toMs ? by - length : by;
      const [fromMs, toMs] = [dip.fromMs + over, dip.toMs + over];
      return { ...dip, fromMs, toMs, sinceMs: dip.sinceMs + over };
    });
    hits += explained(moved, signals).filter((dip) => dip.signals.length > 0).length;
  }
  return dips.length === 0 ? 0 : hits / (tries * dips.length);
}

const maxMetrics = 4;

/** Each metric once, with where it moved and how; first those that move least in quiet times. */
export function signalText(
  signals: readonly Signal[],
  outside: ReadonlyMap<string, number>,
): string {
  const byMetric = new Map<string, Set<string>>();
  for (const { metric, source, text } of signals) {
    const texts = byMetric.get(metric) ?? new Set();
    byMetric.set(metric, texts.add(`${source}: ${text}`));
  }
  const ranked = [...byMetric].sort(
    ([one], [other]) => (outside.get(one) ?? 0) - (outside.get(other) ?? 0),
  );
  const rest = ranked.splice(maxMetrics);
  const further = rest.length === 0 ? '' : `; and ${rest.map(([metric]) => metric).join(', ')}`;
  const told = ranked
    .map(([metric, texts]) => {
      const more = texts.size > 2 ? `, and ${texts.size - 2} more` : '';
      return `${metric} (${[...texts].slice(0, 2).join(', ')}${more})`;
    })
    .join('; ');
  return `${told}${further}`;
}

/**
 * In how many seconds of dips, and in how many of no dip, each metric moved: one that moves as
 * often in both explains nothing.
 */
export function shares(
  found: readonly Dip[],
  signals: readonly Signal[],
  span: { readonly fromMs: number; readonly toMs: number },
): { readonly metric: string; readonly inDips: number; readonly outside: number }[] {
  const slots = Math.floor((span.toMs - span.fromMs) / slotMs);
  const isDip = Array.from({ length: slots }, (_, slot) => {
    const [fromMs, toMs] = [span.fromMs + slot * slotMs, span.fromMs + (slot + 1) * slotMs];
    return found.some((dip) => dip.sinceMs - beforeMs < toMs && dip.toMs + afterMs > fromMs);
  });
  const dipSlots = isDip.filter(Boolean).length;
  const share = (count: number, all: number): number => (all === 0 ? 0 : count / all);
  const of = (metric: string, each: readonly Signal[]) => {
    const hit = new Set(each.map(({ atMs }) => Math.floor((atMs - span.fromMs) / slotMs)));
    const inDips = [...hit].filter((slot) => isDip[slot] === true).length;
    const outside = [...hit].filter((slot) => isDip[slot] === false).length;
    return {
      metric,
      inDips: share(inDips, dipSlots),
      outside: share(outside, slots - dipSlots),
    };
  };
  const metrics = [...new Set(signals.map(({ metric }) => metric))];
  return [
    of('any', signals),
    ...metrics.map((metric) =>
      of(
        metric,
        signals.filter((each) => each.metric === metric),
      ),
    ),
  ];
}
