/** A snapshot for people: lines that fit the terminal, readable without colours. */
import { stripVTControlCharacters } from 'node:util';
import { type Column, narrowed, table, wrapped } from '../table.ts';
import { type Colors, countText, durationText, harmless, plural } from '../text.ts';
import { type NodeRow, type ParticipantRow, type Snapshot, statesShown } from './model.ts';

export const sortings = ['in flight', 'waiting', 'breaker', 'name'] as const;
export type Sorting = (typeof sortings)[number];

export interface View {
  readonly width: number;
  /** Lines; infinite: as many as there are. */
  readonly height: number;
  readonly colors: Colors;
  readonly sorting: Sorting;
  readonly paused: boolean;
  /** The line of keys, for a terminal that is at hand. */
  readonly keys: boolean;
}

export function topLines(snapshot: Snapshot, view: View): string[] {
  const { colors, width, height } = view;
  const lines = [
    ...flow(headParts(snapshot, view), width),
    ...flow(rateParts(snapshot, colors), width),
    ...flow(endingParts(snapshot), width),
    ...flow(stateParts(snapshot, colors), width),
    '',
    ...narrowTable(phaseColumns, snapshot.phases, width),
    '',
    ...narrowTable(nodeColumns(snapshot, colors), snapshot.nodes, width),
    ...snapshot.nodes.flatMap(({ node, problem }) =>
      problem === undefined ? [] : wrapped(`${harmless(node)}: ${harmless(problem)}`, width),
    ),
    ...snapshot.silent.flatMap(({ url, problem }) =>
      wrapped(`${harmless(url)}: ${harmless(problem)}`, width),
    ),
    '',
    ...participantLines(snapshot, view),
  ];
  return fitting(lines, width, height, view.keys ? keysLine(view) : null);
}

const partGap = '   ';

/** Beside each other, as many as fit into a line. */
function flow(parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const part of parts) {
    const longer = line === '' ? part : line + partGap + part;
    if (line !== '' && stripVTControlCharacters(longer).length > width) {
      lines.push(line);
      line = part;
    } else line = longer;
  }
  return line === '' ? lines : [...lines, line];
}

function narrowTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): string[] {
  return table(narrowed(columns, rows, width), rows, width);
}

function keysLine({ sorting, paused }: View): string {
  return `q quit   p ${paused ? 'go on' : 'pause'}   s sort (by ${sorting})`;
}

/** What is too long is cut; the last line of what is too much says how much is missing. */
function fitting(
  lines: readonly string[],
  width: number,
  height: number,
  last: string | null,
): string[] {
  const room = Math.max(1, height - (last === null ? 0 : 1));
  const shown =
    lines.length <= room
      ? lines
      : [
          ...lines.slice(0, room - 1),
          `  and ${plural(lines.length - room + 1, 'more line')}: make the window higher`,
        ];
  const all = last === null ? shown : [...shown, last];
  return all.map((line) => cut(line, width));
}

/** Colours count for nothing; a line that has to be cut goes without. */
function cut(line: string, width: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= width ? line : plain.slice(0, Math.max(0, width));
}

function headParts({ cluster, nodes, at }: Snapshot, { colors, paused }: View): string[] {
  const gone = nodes.filter(({ state }) => state === 'gone').length;
  return [
    `cluster ${colors.bold(harmless(cluster))}`,
    plural(nodes.length, 'node') + (gone === 0 ? '' : `, ${colors.red(`${gone} gone`)}`),
    clockText(at),
    ...(paused ? [colors.yellow('paused')] : []),
  ];
}

function rateParts(snapshot: Snapshot, colors: Colors): string[] {
  const { committed, aborted, inFlight, attention, doubts, leaderless } = snapshot;
  return [
    `committed ${colors.bold(rateText(committed))}`,
    `aborted ${rateText(aborted)}`,
    `in flight ${countText(inFlight)}`,
    warned(`attention ${countText(attention)}`, attention > 0, colors.yellow),
    warned(`doubts ${countText(doubts)}`, doubts > 0, colors.yellow),
    ...(leaderless > 0 ? [colors.red(`${plural(leaderless, 'shard')} without a leader`)] : []),
  ];
}

function warned(text: string, isSo: boolean, paint: (text: string) => string): string {
  return isSo ? paint(text) : text;
}

function endingParts({ endings }: Snapshot): string[] {
  const aborts = Object.entries(endings).filter(([ending]) => ending !== 'committed');
  return aborts.map(([ending, rate]) => `${harmless(ending)} ${rateText(rate)}`);
}

function stateParts({ states }: Snapshot, { dim }: Colors): string[] {
  return statesShown.map((state) => {
    const text = `${state} ${countText(states[state] ?? 0)}`;
    return (states[state] ?? 0) === 0 ? dim(text) : text;
  });
}

const phaseColumns: readonly Column<Snapshot['phases'][number]>[] = [
  { head: 'PHASE', cell: ({ phase }) => phase },
  { head: 'P50', cell: ({ p50Ms }) => msText(p50Ms), align: 'right' },
  { head: 'P99', cell: ({ p99Ms }) => msText(p99Ms), align: 'right' },
  { head: 'PER SECOND', rank: 1, cell: ({ perSecond }) => numberText(perSecond), align: 'right' },
];

function nodeColumns({ leaders }: Snapshot, colors: Colors): Column<NodeRow>[] {
  const known = (value: number | undefined, text: (value: number) => string): string =>
    value === undefined ? '-' : text(value);
  return [
    { head: 'NODE', cell: ({ node }) => node },
    {
      head: 'STATE',
      cell: stateText,
      paint: (text) => (text === 'ready' ? colors.green(text) : colors.red(text)),
    },
    { head: 'LEADS', rank: 1, cell: ({ node, state }) => leadsText(leaders[node] ?? [], state) },
    { head: 'COMMITTED', cell: ({ committed }) => known(committed, rateText), align: 'right' },
    { head: 'ABORTED', rank: 3, cell: ({ aborted }) => known(aborted, rateText), align: 'right' },
    {
      head: 'IN FLIGHT',
      rank: 2,
      cell: ({ inFlight }) => known(inFlight, countText),
      align: 'right',
    },
    {
      head: 'ATTENTION',
      rank: 4,
      cell: ({ attention }) => known(attention, countText),
      align: 'right',
    },
    {
      head: 'LOOP DELAY',
      rank: 5,
      cell: ({ loopDelayMs }) => known(loopDelayMs, (ms) => msText(ms)),
      align: 'right',
    },
    { head: 'LEASE AGE', rank: 6, cell: leaseText, align: 'right' },
    {
      head: 'PEERS',
      rank: 7,
      cell: ({ connections }) => known(connections, countText),
      align: 'right',
    },
  ];
}

function stateText({ state, staleSince, restarted, upMs }: NodeRow): string {
  if (state === 'gone') {
    return staleSince === undefined ? 'gone' : `gone, stale since ${clockText(staleSince)}`;
  }
  return restarted ? `${state}, started ${durationText(upMs ?? 0)} ago` : state;
}

/** Of the ISO form: UTC, as logs have it. */
function clockText(iso: string): string {
  return `${iso.slice(11, 19)}Z`;
}

function leadsText(shards: readonly number[], state: NodeRow['state']): string {
  if (state === 'gone') return '-';
  return shards.length === 0 ? 'none' : rangesText(shards);
}

/** `0-3,7` */
export function rangesText(shards: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const shard of [...shards].sort((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last !== undefined && last[1] === shard - 1) last[1] = shard;
    else parts.push([shard, shard]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

function leaseText({ leaseAgeMs, leaseValidMs }: NodeRow): string {
  if (leaseValidMs === undefined) return '-';
  return `${leaseAgeMs === undefined ? 'not held' : msText(leaseAgeMs)} of ${durationText(leaseValidMs)}`;
}

function participantLines({ participants }: Snapshot, view: View): string[] {
  if (participants.length === 0) return ['No participant is connected.'];
  const { colors, width, sorting } = view;
  return narrowTable(participantColumns(colors), sorted(participants, sorting), width);
}

const badness = { closed: 0, 'half-open': 1, open: 2 } as const;

function sorted(rows: readonly ParticipantRow[], sorting: Sorting): ParticipantRow[] {
  const weight = {
    'in flight': ({ inFlight }: ParticipantRow) => inFlight,
    waiting: ({ waiting }: ParticipantRow) => waiting,
    breaker: ({ breaker }: ParticipantRow) => badness[breaker],
    // They are in this order.
    name: () => 0,
  }[sorting];
  return [...rows].sort((a, b) => weight(b) - weight(a));
}

function participantColumns(colors: Colors): Column<ParticipantRow>[] {
  return [
    { head: 'PARTICIPANT', cell: ({ participant }) => participant },
    { head: 'INSTANCES', rank: 2, cell: ({ instances }) => instances, align: 'right' },
    { head: 'IN FLIGHT', cell: ({ inFlight }) => inFlight, align: 'right' },
    { head: 'WINDOW', rank: 3, cell: ({ window }) => window, align: 'right' },
    { head: 'WAITING', rank: 1, cell: ({ waiting }) => waiting, align: 'right' },
    {
      head: 'BREAKER',
      cell: ({ breaker, brokenAt }) =>
        brokenAt === 0 ? breaker : `${breaker} at ${plural(brokenAt, 'node')}`,
      paint: (text) => (text.startsWith('closed') ? text : colors.red(text)),
    },
  ];
}

function rateText(perSecond: number | null): string {
  return perSecond === null ? '-' : `${numberText(perSecond)}/s`;
}

function numberText(value: number): string {
  return value === 0 || value >= 100 ? countText(Math.round(value)) : value.toFixed(1);
}

function msText(ms: number | null): string {
  if (ms === null) return '-';
  return ms > 0 && ms < 100 ? `${ms.toFixed(1)} ms` : durationText(ms);
}
