/** An explanation for people: paragraphs that fit the terminal, readable without colours. */
import { stripVTControlCharacters } from 'node:util';
import type {
  ExplainedBranch,
  ExplainedEvent,
  Explanation,
  ExplanationSource,
} from '../../core/messages.ts';
import { type Column, table } from '../table.ts';
import { type Colors, countText, durationText, harmless } from '../text.ts';

/** Longer lines are hard to read; a pipe gets the lines that a terminal usually has. */
const maxWidth = 100;
const pipeWidth = 80;
const maxEvents = 60;

export function explanationLines(
  explanation: Explanation,
  by: string | null,
  colors: Colors,
  given: number,
): string[] {
  const width = Number.isFinite(given) ? Math.min(maxWidth, Math.max(30, given)) : pipeWidth;
  const { txid, summary, events, waits, advice, branches, sources } = explanation;
  const section = (head: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ['', colors.bold(head), ...lines];
  const points = (texts: readonly string[]): string[] =>
    texts.flatMap((text) => hanging('  - ', text, width));
  return [
    ...(by === null ? [txid] : [`${txid}  (found by ${by})`]),
    ...wrapped('', aboutText(explanation, colors), width),
    '',
    ...hanging('', summary, width),
    ...section('What happened', eventLines(events, width)),
    ...section('What it waits for', points(waits.map(({ text }) => text))),
    ...section(
      'Branches',
      branches.length === 0 ? [] : table(branchColumns(branches), branches, width),
    ),
    ...section('What to do', points(advice)),
    ...section('Who said so', points(sources.map(sourceText))),
  ];
}

function aboutText(explanation: Explanation, colors: Colors): string {
  const { state, attention, ageMs, requestId, labels = {}, lockGroup } = explanation;
  const parts = [
    state === 'COMMITTED' || state === 'COMMITTING' ? colors.green(state) : colors.yellow(state),
    ...(attention ? ['attention'] : []),
    ...(ageMs === undefined ? [] : [`began ${durationText(ageMs)} ago`]),
    ...(requestId === undefined ? [] : [`request ${harmless(requestId)}`]),
    ...(lockGroup === undefined ? [] : [`locks of ${harmless(lockGroup)}`]),
    ...Object.entries(labels).map(([name, value]) => harmless(`${name}=${value}`)),
  ];
  return parts.join(', ');
}

function eventLines(events: readonly ExplainedEvent[], width: number): string[] {
  const shown = events.slice(0, maxEvents);
  const times = shown.map(({ atMs }) => (atMs === undefined ? '' : timeText(atMs)));
  const wide = Math.max(0, ...times.map((time) => time.length));
  const lines = shown.flatMap(({ text }, index) =>
    hanging(`  ${(times[index] ?? '').padStart(wide)}  `, text, width),
  );
  const more = events.length - shown.length;
  return more > 0 ? [...lines, `  and ${countText(more)} more: --json has all`] : lines;
}

/** `0 ms`, `0.3 ms`, `12.4 ms`, `3.2 s`. */
function timeText(ms: number): string {
  return ms > 0 && ms < 100 ? `${ms.toFixed(1)} ms` : durationText(ms);
}

function branchColumns(branches: readonly ExplainedBranch[]): Column<ExplainedBranch>[] {
  const after = (ms?: number): string => (ms === undefined ? '-' : timeText(ms));
  const columns: Column<ExplainedBranch>[] = [
    { head: 'BRANCH', cell: ({ branch }) => branch },
    { head: 'STATE', cell: ({ state }) => state },
    { head: 'SENT', cell: ({ sentAfterMs }) => after(sentAfterMs), align: 'right' },
    { head: 'VOTED', cell: ({ votedAfterMs }) => after(votedAfterMs), align: 'right' },
    { head: 'SETTLED', cell: ({ settledAfterMs }) => after(settledAfterMs), align: 'right' },
    { head: 'TRIES', cell: ({ attempts }) => attempts, align: 'right' },
    { head: 'PAYLOAD', cell: ({ payloadBytes }) => bytesText(payloadBytes), align: 'right' },
    { head: 'RESULT', cell: ({ resultBytes }) => bytesText(resultBytes), align: 'right' },
    {
      head: 'CONNECTED',
      cell: ({ connected }) => (connected === undefined ? '-' : connected ? 'yes' : 'no'),
    },
    { head: 'LAST ERROR', cell: ({ lastError }) => lastError ?? '-' },
    { head: 'SAYS THAT IT', cell: ({ says }) => says ?? '-' },
    {
      head: 'BY HAND',
      cell: ({ byHand }) => (byHand === undefined ? '-' : `by ${byHand.by}: ${byHand.reason}`),
    },
  ];
  if (branches.every(({ branch, participant }) => branch === participant)) return columns;
  columns.splice(1, 0, { head: 'PARTICIPANT', cell: ({ participant }) => participant });
  return columns;
}

function bytesText(bytes?: number): string {
  if (bytes === undefined) return '-';
  if (bytes < 1_024) return `${bytes} B`;
  return bytes < 1_048_576
    ? `${(bytes / 1_024).toFixed(1)} KiB`
    : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

function sourceText({ source, node, participant, instance, ok, text }: ExplanationSource): string {
  const who =
    source === 'log'
      ? `the decision log${node === undefined ? '' : `, read by ${node}`}`
      : source === 'leader'
        ? `the leader${node === undefined ? '' : `, ${node}`}`
        : `${participant ?? 'a participant'}, instance ${instance ?? '?'}`;
  if (text !== undefined) return `${who}: ${text}`;
  return ok ? who : `${who}: no answer`;
}

function hanging(first: string, text: string, width: number): string[] {
  return wrapped(first, harmless(text), width);
}

/** By words; what is longer than a line is cut. Colours count for nothing. */
function wrapped(first: string, text: string, width: number): string[] {
  const lines: string[] = [];
  const indent = ' '.repeat(first.length);
  let line = first;
  let isEmpty = true;
  for (const word of text.split(' ')) {
    let rest = word;
    if (!isEmpty && visible(line) + 1 + visible(rest) > width) {
      lines.push(line);
      line = indent;
      isEmpty = true;
    }
    while (visible(rest) > width - indent.length) {
      const room = width - indent.length;
      lines.push(`${line}${rest.slice(0, room)}`);
      rest = rest.slice(room);
      line = indent;
    }
    line += isEmpty ? rest : ` ${rest}`;
    isEmpty = false;
  }
  return [...lines, line].map((each) => each.trimEnd());
}

function visible(text: string): number {
  return stripVTControlCharacters(text).length;
}
