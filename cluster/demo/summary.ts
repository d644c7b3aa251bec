/** What a run came to, for programs and for people. */
import { createColors } from 'picocolors';
import type { Refused } from '../secure/strangers.ts';
import { codeOf } from './answers.ts';
import { type CheckResult, reconcile } from './reconcile.ts';
import type { DemoRun, Recovery } from './run.ts';

export interface DemoSummary {
  /** Whether it all adds up. */
  readonly ok: boolean;
  readonly orders: number;
  readonly committed: number;
  readonly aborted: number;
  /** Neither: an outcome that `submit` could not tell. */
  readonly unanswered: number;
  readonly abortedBy: Readonly<Record<string, number>>;
  readonly ordersPerSecond: number;
  readonly latencyMs: {
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    readonly max: number;
  };
  readonly kills: readonly Recovery[];
  readonly refused: readonly Refused[];
  readonly checks: readonly CheckResult[];
  /** From the start of the first process. */
  readonly totalMs: number;
  /** Where everything was kept; null where it was removed. */
  readonly directory: string | null;
}

export function summarize(
  run: DemoRun,
  more: { readonly totalMs: number; readonly directory: string | null },
): DemoSummary {
  const { answers, orders } = run.facts;
  const checks = reconcile(run.facts);
  const committed = answers.filter(({ outcome }) => outcome === 'committed').length;
  const aborted = answers.filter(({ outcome }) => outcome === 'aborted');
  const abortedBy = new Map<string, number>();
  for (const answer of aborted) {
    const code = codeOf(answer) ?? 'no reason';
    abortedBy.set(code, (abortedBy.get(code) ?? 0) + 1);
  }
  const latencies = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  return {
    ok: checks.every(({ ok }) => ok),
    orders: orders.length,
    committed,
    aborted: aborted.length,
    unanswered: orders.length - committed - aborted.length,
    abortedBy: Object.fromEntries([...abortedBy].sort(([, a], [, b]) => b - a)),
    ordersPerSecond: tenths((answers.length / run.submitMs) * 1_000),
    latencyMs: {
      p50: percentile(latencies, 0.5),
      p95: percentile(latencies, 0.95),
      p99: percentile(latencies, 0.99),
      max: percentile(latencies, 1),
    },
    kills: run.kills.map((kill) => ({
      ...kill,
      readyMs: tenths(kill.readyMs),
      firstCommitMs: kill.firstCommitMs === null ? null : tenths(kill.firstCommitMs),
    })),
    refused: run.refused,
    checks,
    totalMs: Math.round(more.totalMs),
    directory: more.directory,
  };
}

function percentile(sorted: readonly number[], fraction: number): number {
  const rank = Math.max(1, Math.ceil(fraction * sorted.length));
  return tenths(sorted[rank - 1] ?? 0);
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

type Row = readonly [name: string, text: string];

export function summaryLines(summary: DemoSummary, colored: boolean): string[] {
  const { dim, green, red, yellow } = createColors(colored);
  const { latencyMs, kills } = summary;
  const rows: Row[] = [
    ['Orders', `${summary.orders} in ${seconds(summary.totalMs)} altogether`],
    ['Committed', green(String(summary.committed))],
    ['Aborted', `${yellow(String(summary.aborted))}  ${dim(reasons(summary))}`],
  ];
  if (summary.unanswered > 0) rows.push(['Unanswered', red(String(summary.unanswered))]);
  rows.push(
    ['Rate', `${Math.round(summary.ordersPerSecond)} orders/s, crashes included`],
    [
      'Latency',
      `p50 ${duration(latencyMs.p50)}, p95 ${duration(latencyMs.p95)}, p99 ${duration(latencyMs.p99)}, max ${duration(latencyMs.max)}`,
    ],
    ...kills.map(killRow),
    ...summary.refused.map(({ who, code }): Row => ['Refused', `${who}: ${code}`]),
  );
  const lines = ['', ...rows.map(([name, text]) => `  ${dim(name.padEnd(12))}${text}`), ''];
  lines.push(...checkLines(summary.checks, colored));
  if (summary.directory !== null)
    lines.push(`  ${dim(`Everything is kept in ${summary.directory}`)}`);
  lines.push('');
  return lines;
}

/** A tick for each check that found nothing; what the others found; and what that comes to. */
export function checkLines(checks: readonly CheckResult[], colored: boolean): string[] {
  const { bold, green, red } = createColors(colored);
  const lines: string[] = [];
  for (const { name, ok, problems, problemCount } of checks) {
    lines.push(`  ${ok ? green('✓') : red('✗')} ${ok ? name : bold(name)}`);
    for (const problem of problems) lines.push(`      ${red(problem)}`);
    if (problemCount > problems.length) {
      lines.push(`      ${red(`and ${problemCount - problems.length} more`)}`);
    }
  }
  const verdict = checks.every(({ ok }) => ok)
    ? green('It all adds up.')
    : red('It does not add up.');
  return [...lines, '', `  ${bold(verdict)}`];
}

function reasons({ abortedBy }: DemoSummary): string {
  return Object.entries(abortedBy)
    .map(([code, count]) => `${count} ${code}`)
    .join(', ');
}

function killRow({ node, afterAnswers, readyMs, firstCommitMs }: Recovery): Row {
  const gap =
    firstCommitMs === null
      ? 'no commit afterwards'
      : `next commit after ${duration(firstCommitMs)}`;
  return [
    'Kill -9',
    `${node}, after ${afterAnswers} answers; ${gap}, back after ${duration(readyMs)}`,
  ];
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : seconds(ms);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
