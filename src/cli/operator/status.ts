/** `verdict status`: a node, who leads, who is connected, what is under way. */
import {
  type InfoReply,
  type LeaderInfo,
  type QueueInfo,
  type ShardInfo,
  transactionStates,
} from '../../core/messages.ts';
import { type Column, table } from '../table.ts';
import { type Colors, durationText, harmless, plural } from '../text.ts';
import { answer, type OperatorContext } from './context.ts';
import { withOperator } from './operator.ts';

/** Those that end are in the counts only for a moment. */
const statesShown = transactionStates.filter(
  (state) => state !== 'COMMITTED' && state !== 'ABORTED',
);

export async function status(context: OperatorContext): Promise<void> {
  const addresses = new Map<string, string>();
  const reply = await withOperator(context, async (operator) => {
    const told = await operator.info();
    for (const { node } of leadersElsewhere(told.shards)) {
      // What it advertises may be known inside of its network alone.
      const address = addresses.has(node) ? null : await operator.givenAddress(node);
      if (address !== null) addresses.set(node, address);
    }
    return told;
  });
  const { type: _type, id: _id, ...info } = reply;
  await answer(context, info, (colors, width) => statusLines(info, colors, width, addresses));
}

export function statusLines(
  info: Omit<InfoReply, 'type' | 'id'>,
  colors: Colors,
  width?: number,
  /** Of nodes, where they are reached at another one than they advertise. */
  addresses: ReadonlyMap<string, string> = new Map(),
): string[] {
  const drained = info.drained === true;
  const ready = info.ready
    ? colors.green('ready')
    : drained
      ? colors.yellow('drained')
      : colors.red('not ready');
  const attention = info.shards.reduce((sum, shard) => sum + (shard.attention ?? 0), 0);
  const lines = [
    `node ${colors.bold(harmless(info.node))}  cluster ${harmless(info.cluster)}  ${ready}`,
    `version ${harmless(info.version)}  up ${durationText(info.uptimeMs)}  ${plural(info.connections, 'connection')}`,
    '',
    ...table(shardColumns(colors), info.shards, width),
    ...elsewhereLines(info.shards, addresses),
    '',
  ];
  if (info.participants.length === 0) {
    lines.push('No participant is connected: a transaction that needs one waits, then aborts.');
  } else {
    lines.push(...table(participantColumns, info.participants, width));
  }
  const filled = (info.queues ?? []).filter(
    ({ entries, bytes }) => (entries ?? 0) + (bytes ?? 0) > 0,
  );
  if (filled.length > 0) lines.push('', ...table(queueColumns, filled, width));
  if (drained) {
    const { node } = info;
    lines.push(
      '',
      `${harmless(node)} takes no leadership until it is started again, or: verdict undrain ${harmless(node)}`,
    );
  }
  for (const problem of info.problems ?? []) {
    lines.push('', colors.red(`PROBLEM: ${harmless(problem)}`));
  }
  if (attention > 0) {
    const verb = attention === 1 ? 'needs' : 'need';
    lines.push(
      '',
      colors.yellow(
        `${plural(attention, 'transaction')} ${verb} attention: verdict tx list --attention`,
      ),
    );
  }
  return lines;
}

/** Whom to ask for the counts that this node does not have. */
function leadersElsewhere(shards: readonly ShardInfo[]): LeaderInfo[] {
  return shards.flatMap(({ states, leader }) =>
    states === undefined && leader !== null ? [leader] : [],
  );
}

function elsewhereLines(
  shards: readonly ShardInfo[],
  addresses: ReadonlyMap<string, string>,
): string[] {
  const urls = new Set(leadersElsewhere(shards).map(({ node, url }) => addresses.get(node) ?? url));
  return [...urls].map(
    (url) => `-: only its leader counts. Ask it: verdict status --url ${harmless(url)}`,
  );
}

function shardColumns(colors: Colors): Column<ShardInfo>[] {
  return [
    { head: 'SHARD', cell: ({ shard }) => String(shard), align: 'right' },
    { head: 'LEADER', cell: ({ leader }) => leader?.node ?? 'none' },
    { head: 'URL', cell: ({ leader }) => leader?.url ?? '-' },
    { head: 'EPOCH', cell: ({ leader }) => leader?.epoch ?? '-' },
    ...statesShown.map(
      (state): Column<ShardInfo> => ({
        head: state,
        // A node knows only what it leads.
        cell: ({ states }) => (states === undefined ? '-' : (states[state] ?? 0)),
        align: 'right',
      }),
    ),
    {
      head: 'ATTENTION',
      cell: ({ attention }) => attention ?? '-',
      align: 'right',
      paint: (text) => (text === '0' || text === '-' ? text : colors.yellow(text)),
    },
  ];
}

const participantColumns: readonly Column<InfoReply['participants'][number]>[] = [
  { head: 'PARTICIPANT', cell: ({ participant }) => participant },
  { head: 'INSTANCE', cell: ({ instance }) => instance },
  { head: 'CONNECTIONS', cell: ({ connections }) => connections, align: 'right' },
  { head: 'SHARED RESOURCE', cell: ({ sharedResource }) => sharedResource ?? '-' },
];

/** Those with something in them; `--json` has all. */
const queueColumns: readonly Column<QueueInfo>[] = [
  { head: 'QUEUE', cell: ({ queue }) => queue },
  { head: 'ENTRIES', cell: ({ entries }) => entries ?? '-', align: 'right' },
  { head: 'OF', cell: ({ maxEntries }) => maxEntries ?? '-', align: 'right' },
  { head: 'BYTES', cell: ({ bytes }) => bytes ?? '-', align: 'right' },
  { head: 'OF', cell: ({ maxBytes }) => maxBytes ?? '-', align: 'right' },
  {
    head: 'FULLEST AT',
    cell: ({ shard, participant }) => {
      const at = shard === undefined ? '-' : `shard ${shard}`;
      return participant === undefined ? at : `${participant}, ${at}`;
    },
  },
];
