/** What the leader holds for transactions in flight and for connections that say nothing. */
import { join } from 'node:path';
import type { Client } from '../../../src/client.ts';
import { BenchCluster, payload, probedWith } from '../rig/bench-cluster.ts';
import type { HeldMemory } from '../rig/probe.ts';
import { heldMemoryOf } from '../rig/usage.ts';
import type { Findings, Section, SectionGiven, Table, Target } from './section.ts';

const levels = [10_000, 100_000];
const quickLevels = [10_000];
/** Of one name no more than two thirds of the places are let in. */
const maxTransactions = 200_000;
const usualConnections = 2_000;
const quickConnections = 500;
/** The longest that a node allows: until all are begun. */
const timeoutMs = 300_000;
const beginAtOnce = 512;
const warmUps = 2_000;
const saidEach = 10_000;
const mostTransactionBytes = 1_536;
const mostRssBytes = 350_000_000;
const mostConnectionBytes = 30_000;

/** As the image runs a node: Node's own default is 64 MB for half of its young objects. */
const imageFlags = ['--max-semi-space-size=16'];

interface Step {
  readonly count: number;
  readonly what: 'transactions' | 'connections';
  readonly flags: readonly string[];
  readonly held: HeldMemory;
  /** Of what comes on top of the base line, for each. */
  readonly each: HeldMemory;
}

export const memory: Section = {
  name: 'memory',
  title: 'Memory at the leader',
  about:
    'The leader on the embedded log, its garbage collected by force before each reading: heap is ' +
    'live objects and what they own outside of the heap, RSS what the system holds for the ' +
    'process. Connections of clients that do nothing at one leader, and at another transactions ' +
    'that are begun and have three branches enlisted, each against what was held before. These ' +
    `twice, the second time with ${imageFlags.join(' ')}, as the image runs a node.`,
  run: async (given) => {
    const { quick, progress } = given;
    const connections = quick ? quickConnections : usualConnections;
    const idle = await atLeader(given, 'connections', [], async (cluster) => {
      progress(`${connections} connections`);
      const before = await held(cluster);
      await cluster.connect(connections);
      const what = { what: 'connections', count: connections, flags: [] } as const;
      return [stepOf(what, before, await held(cluster))];
    });
    const inFlight = (flags: readonly string[]) =>
      atLeader(given, `transactions${flags.join(' ')}`, flags, async (cluster) => {
        const steps: Step[] = [];
        const before = await held(cluster);
        for (const count of quick ? quickLevels : levels) {
          const already = steps.at(-1)?.count ?? 0;
          await begun(cluster, count - already, (more) => {
            if (more % saidEach === 0)
              progress(`${already + more} of ${count} transactions in flight`);
          });
          steps.push(stepOf({ what: 'transactions', count, flags }, before, await held(cluster)));
        }
        return steps;
      });
    return findings([...idle, ...(await inFlight([])), ...(await inFlight(imageFlags))]);
  },
};

/** With a leader of its own, so that no one's garbage is another's. */
async function atLeader(
  { directory, progress }: SectionGiven,
  name: string,
  flags: readonly string[],
  measure: (cluster: BenchCluster) => Promise<Step[]>,
): Promise<Step[]> {
  const cluster = await BenchCluster.started({
    log: 'embedded',
    directory: join(directory, name),
    options: { maxTransactions },
    through: (process) => (process === 'leader' ? probedWith(flags) : []),
  });
  try {
    progress(`${name}: warming up`);
    const warm = await begun(cluster, warmUps);
    await Promise.all(warm.map((transaction) => transaction.rollback()));
    return await measure(cluster);
  } finally {
    await cluster.remove();
  }
}

const held = ({ leader }: BenchCluster): Promise<HeldMemory> => heldMemoryOf(leader.child);

function stepOf(
  what: Pick<Step, 'what' | 'count' | 'flags'>,
  before: HeldMemory,
  after: HeldMemory,
): Step {
  const each = {
    heapBytes: (after.heapBytes - before.heapBytes) / what.count,
    rssBytes: (after.rssBytes - before.rssBytes) / what.count,
  };
  return { ...what, held: after, each };
}

type Begun = Awaited<ReturnType<Client['begin']>>;

async function begun(
  { client, names }: BenchCluster,
  count: number,
  progress: (begun: number) => void = () => undefined,
): Promise<readonly Begun[]> {
  const all: Begun[] = [];
  let left = count;
  const loop = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const transaction = await client.begin({ timeoutMs });
      await Promise.all(names.map((participant) => transaction.enlist({ participant, payload })));
      all.push(transaction);
      progress(all.length);
    }
  };
  await Promise.all(Array.from({ length: beginAtOnce }, loop));
  return all;
}

function findings(steps: readonly Step[]): Findings {
  const kilobytes = (bytes: number): number => bytes / 1_000;
  const table: Table = {
    title: 'Memory at the leader, embedded',
    columns: ['what', 'count', 'heap each, kB', 'RSS each, kB', 'heap MB', 'RSS MB'],
    rows: steps.map(({ what, count, flags, held, each }) => [
      [what === 'connections' ? 'idle connections' : 'transactions in flight', ...flags].join(', '),
      count,
      kilobytes(each.heapBytes),
      kilobytes(each.rssBytes),
      held.heapBytes / 1_000_000,
      held.rssBytes / 1_000_000,
    ]),
  };
  const targets = steps.flatMap(({ what, count, flags, held, each }): Target[] => {
    const named = count.toLocaleString('en');
    const among = ['', ...flags].join(', ');
    if (what === 'connections') {
      const bytes = Math.max(each.heapBytes, each.rssBytes);
      return [
        {
          what: `An idle connection, of ${named}, heap or RSS`,
          aim: `< ${kilobytes(mostConnectionBytes)} kB`,
          measured: `${kilobytes(bytes).toFixed(1)} kB`,
          met: bytes < mostConnectionBytes,
        },
      ];
    }
    const heap: Target = {
      what: `Heap of a transaction in flight, of ${named}${among}`,
      aim: `<= ${mostTransactionBytes} bytes`,
      measured: `${each.heapBytes.toFixed(0)} bytes`,
      met: each.heapBytes <= mostTransactionBytes,
    };
    const rss: Target = {
      what: `RSS of the leader with ${named} transactions in flight${among}`,
      aim: `< ${mostRssBytes / 1_000_000} MB`,
      measured: `${(held.rssBytes / 1_000_000).toFixed(0)} MB`,
      met: held.rssBytes < mostRssBytes,
    };
    return count === (levels.at(-1) ?? 0) ? [heap, rss] : [heap];
  });
  return { tables: [table], charts: [], targets };
}
