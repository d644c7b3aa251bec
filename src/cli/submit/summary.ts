/** The end of a `submit`, for people and for programs. */
import { countText, durationText, plural } from '../text.ts';
import type { Source, SubmitEnd } from './report.ts';
import type { StopCause, Tally } from './tally.ts';

interface Given {
  readonly tally: Tally;
  readonly end: SubmitEnd;
  readonly source: Source;
}

export function summaryValue({ tally, end }: Given): object {
  return {
    ...tally.counts,
    badLines: tally.badLines,
    ms: Math.round(end.ms),
    perSecond: Math.round(rate(tally, end) * 10) / 10,
    latencyMs: { p50: rounded(tally, 0.5), p99: rounded(tally, 0.99) },
    reasons: Object.fromEntries(
      Object.entries(tally.codes).map(([outcome, codes]) => [outcome, Object.fromEntries(codes)]),
    ),
    stoppedBy: end.stopCause,
    lastLine: end.lastLine,
  };
}

export function summaryLines(given: Given): string[] {
  const { tally, end } = given;
  const { committed, aborted, unknown, refused } = tally.counts;
  const counts = [`${countText(committed)} committed`, `${countText(aborted)} aborted`];
  if (unknown > 0) counts.push(`${countText(unknown)} unknown`);
  if (refused > 0) counts.push(`${countText(refused)} refused`);
  const perSecond = rateText(rate(tally, end));
  const lines = [
    `${plural(tally.ended, 'transaction')} in ${durationText(end.ms)} (${perSecond}/s): ${counts.join(', ')}`,
  ];
  const p50 = tally.latencies.percentileMs(0.5);
  const p99 = tally.latencies.percentileMs(0.99);
  if (p50 !== null && p99 !== null) {
    lines.push(`latency: p50 ${latencyText(p50)}, p99 ${latencyText(p99)}`);
  }
  for (const [outcome, codes] of Object.entries(tally.codes)) {
    if (codes.size === 0) continue;
    const sorted = [...codes].sort(([, a], [, b]) => b - a);
    const listed = sorted.map(([code, count]) => `${countText(count)} ${code}`).join(', ');
    lines.push(`${outcome}: ${listed}`);
  }
  if (unknown > 0) {
    lines.push(
      'An unknown outcome can be looked up: verdict tx show TXID. It is exactly one, in the end.',
    );
  }
  if (tally.badLines > 0) {
    lines.push(
      tally.badLines === 1
        ? '1 line was invalid and left out. Fix it and submit it by itself.'
        : `${countText(tally.badLines)} lines were invalid and left out. Fix them and submit them by themselves.`,
    );
  }
  if (end.stopCause !== null) lines.push(...howToContinue(given, end.stopCause));
  return lines;
}

const causes: Readonly<Record<StopCause, string>> = {
  SIGINT: 'Stopped by Ctrl-C',
  SIGTERM: 'Stopped by SIGTERM',
  output: 'Stopped, because the output is no longer read,',
  unreachable: 'Stopped, because for a whole time-out no transaction was answered,',
};

function howToContinue({ end, source }: Given, cause: StopCause): string[] {
  const lines = [
    `${causes[cause]} after line ${countText(end.lastLine)}: nothing of later lines was submitted.`,
  ];
  const { file, urls } = source;
  const submit = `verdict submit - --url ${urls.map(shellQuoted).join(',')}`;
  const command =
    file === '-'
      ? `leave out the first ${plural(end.lastLine, 'line')} of the input`
      : `tail -n +${end.lastLine + 1} ${shellQuoted(file)} | ${submit}`;
  lines.push(`To go on after it: ${command}`);
  if (!end.withoutRequestId) {
    lines.push(
      'Or run it all again within the request window (see --help): what committed is not done twice.',
    );
  }
  return lines;
}

function shellQuoted(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function rate(tally: Tally, end: SubmitEnd): number {
  return end.ms === 0 ? 0 : tally.ended / (end.ms / 1_000);
}

function rateText(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : countText(Math.round(perSecond));
}

function latencyText(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : durationText(ms);
}

function rounded(tally: Tally, fraction: number): number | null {
  const ms = tally.latencies.percentileMs(fraction);
  return ms === null ? null : Math.round(ms * 10) / 10;
}
