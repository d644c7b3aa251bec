/** docs/SCALING.md: `npm run scaling -- --write` makes it, a test holds it against the figures. */
import { fileURLToPath } from 'node:url';
import { markdownTable, wrapped } from '../../test/bench/report/page.ts';
import type { Table } from '../../test/bench/suite/section.ts';
import { at, type Costs, costsOf } from './costs.ts';
import { type Deployment, deployments, usualPlace } from './deployment.ts';
import type { Measured } from './measured.ts';
import { announcementBytes, capacityOf, loadsOf, meanings, resources } from './model.ts';
import { latencyTable, raise, resourceTable } from './runs.ts';
import { simulate } from './simulate.ts';
import {
  capacityTable,
  checkTable,
  costTable,
  etcdTable,
  limitTable,
  loadTable,
  otherCosts,
  rounded,
  shardTable,
} from './tables.ts';

export const scalingPagePath: string = fileURLToPath(
  new URL('../../docs/SCALING.md', import.meta.url),
);

const all: readonly Deployment[] = Object.values(deployments);
const { today, ranges, million } = deployments;
const run = { seed: 1, durationMs: 60 } as const;
const sliceMs = 120;
const takeoverMs = 20;
const shardCounts = [1, 2, 4, 8, 16, 32, 64, 100];
const etcdCounts = [1, 2, 5, 10, 20, 50, 100];
/** Of what is full first, when all is well. */
const comfortable = 0.7;

export function scalingPage(measured: Measured): string {
  const costs = costsOf(measured);
  return `${[
    '# Scaling',
    '<!-- Made by `npm run scaling -- --write`. Changes by hand are lost. -->',
    wrapped(
      'How far Verdict goes with more nodes, services and etcd clusters, what is full first, and ' +
        'what to do then. `npm run scaling -- --help` does the same for your own figures.',
    ),
    ...answer(costs),
    ...standing(),
    ...measuredPart(costs, measured),
    ...modelPart(costs),
    ...checkPart(costs, measured),
    ...simulatedPart(costs),
    ...then(costs),
  ].join('\n\n')}\n`;
}

function answer(costs: Costs): string[] {
  const capacities = shardCounts.map((shards) =>
    capacityOf(costs, { ...today, shards, nodes: shards }),
  );
  const one = Math.max(...capacities.map(({ perSecond }) => perSecond));
  const spread = capacityOf(costs, ranges);
  const large = capacityOf(costs, million);
  const cellsOf = (perSecond: number): number =>
    Math.ceil(million.perSecond / (comfortable * perSecond));
  const leaderMs = at(costs.leader.busyMs, today.branches);
  return [
    '## In short',
    wrapped(
      `A transaction of three branches takes ${leaderMs.toFixed(2)} ms of its leader's thread: ` +
        `some ${shown(1_000 / leaderMs)} a second for a shard. One etcd cluster is full at some ` +
        `${shown(one)} a second, with few shards; under 100 nodes and 100 shards at ` +
        `${shown(capacityOf(costs, today).perSecond)}. With these 100 spread over 20 etcd clusters it ` +
        `would be ${shown(spread.perSecond)}, and the ${spread.first} is full first.`,
    ),
    wrapped(
      '**A million transactions a second is out of reach of one cluster today.** A cluster has at ' +
        'most 100 shards, on one etcd cluster or several. It would take some 300 shards, 100 etcd clusters, and ' +
        'nodes that are each connected to a few of these: the model gives that ' +
        `${shown(large.perSecond)} a second before the ${large.first} is full. More than 100 shards, and nodes of a part of the shards, are not built.`,
    ),
    wrapped(
      'What can be done today: several clusters of Verdict side by side, each on an etcd cluster of ' +
        'its own, for services that share no transactions, since a transaction and a participant ' +
        `belong to one cluster. At 70% of what each can do a million a second takes ${cellsOf(one)} ` +
        `of them; of clusters over 20 etcd clusters each, ${cellsOf(spread.perSecond)}.`,
    ),
  ];
}

function standing(): string[] {
  const { roundTripMs, flushMs, etcdCores, etcdHistoryS } = usualPlace;
  return [
    '## What stands behind the figures',
    wrapped(
      '**Measured** (`docs/bench/scaling.json`): CPU time, messages, bytes, writes and puts for a ' +
        'transaction, on one machine, with one node and one etcd of one member; what nodes that rest ' +
        'cost; and 1, 2 and 4 shards beside the model.',
    ),
    wrapped(
      '**Modelled**: all that follows from these by arithmetic, and the simulated runs, whose service ' +
        'times they are.',
    ),
    wrapped(
      `**Assumed**: ${roundTripMs} ms for a message there and back, ${flushMs} ms for a flush, that ` +
        `etcd can use ${etcdCores} cores, 10 Gbit/s for a node, ${etcdHistoryS} s until etcd's ` +
        "history is compacted, a quota of 8 GiB, and services as uneven as Zipf's law has it. " +
        'Options change them.',
    ),
    wrapped(
      '**Never run**: more than four shards, more than four nodes, more than one etcd cluster under ' +
        'one cluster of Verdict, a real network between them, and etcd clusters of three members ' +
        'at this load.',
    ),
  ];
}

function measuredPart(costs: Costs, { command, at, machine }: Measured): string[] {
  return [
    '## What a transaction costs',
    wrapped(
      'The lines through what was measured with 1, 3 and 8 branches. *Busy* is with 128 in flight: ' +
        'much comes in one turn, so it is what the capacity is made of. A process with little to do ' +
        'uses more for each transaction, because each message wakes it; that is no lack of capacity. ' +
        'All ran on the same two cores, beside other work: another run may differ by a third.',
    ),
    tableOf(costTable(costs)),
    tableOf(otherCosts(costs)),
    wrapped(`*\`${command}\`, ${at.slice(0, 10)}, ${machine}.*`),
  ];
}

function modelPart(costs: Costs): string[] {
  return [
    '## What is full first',
    wrapped(
      'A node leads its shards in one thread. Three branches, 1,000 services in 2,000 processes, of ' +
        'which the busiest service has one branch in every seven, 1,000 processes that begin ' +
        'transactions. The 300 nodes are three on each of 100 machines, each connected to four of the ' +
        'etcd clusters.',
    ),
    tableOf(capacityTable(costs, all)),
    ...all.map((deployment) => tableOf(loadTable(costs, deployment))),
    wrapped(
      'On one etcd cluster few shards do best: more decisions of a shard share a write, and fewer ' +
        'nodes read who leads. A write waits for others at most ' +
        `${usualPlace.etcdWaitMs} ms in the model.`,
    ),
    tableOf(shardTable(costs, today, shardCounts)),
    wrapped(
      'More etcd clusters help only while the nodes are not connected to all of them: each node ' +
        'keeps a lease and reads who leads, every second, on each cluster that it is connected to.',
    ),
    tableOf(etcdTable(costs, ranges, etcdCounts)),
    tableOf(limitTable(all)),
    wrapped(
      "The bound of shards is etcd's: a node reads all leaders in one transaction, and that has at " +
        'most 128 operations. Each change of a leader has every node send the whole topology to ' +
        `every peer: ${megabytes(announcementBytes(today))} MB a node with 100 nodes and shards, ` +
        `${megabytes(announcementBytes(million))} MB with 300. Changes that come together are told ` +
        'together, and the next telling waits four times as long as the last one took: so with many ' +
        'peers some hear up to a second later who leads.',
    ),
  ];
}

function checkPart(costs: Costs, measured: Measured): string[] {
  return [
    '## The model beside the bench',
    wrapped(
      'The section `scale-out` of `npm run bench`, measured in the same run. Its load is light, so ' +
        'the model gives what a busy process would use and what one would that each message wakes; ' +
        'what is measured should be between them, and the shares and counts as they are.',
    ),
    tableOf(checkTable(costs, measured)),
  ];
}

function simulatedPart(costs: Costs): string[] {
  const slice = { seed: run.seed, warmUpMs: 50, durationMs: sliceMs };
  const plain = simulate(costs, million, slice);
  const dies = { ...slice, takeoverMs };
  const lighter = { ...million, perSecond: million.perSecond / 2 };
  return [
    '## Simulated runs',
    wrapped(
      'Every message of every transaction, with queues, journals and decisions that gather, and ' +
        'the writes under way that a shard has (`scripts/scaling/simulate.ts`). Locks, aborts, ' +
        'time-outs and lost messages are left out, so past the bound it queues where a real node ' +
        'would refuse. What nodes and etcd do at rest slows them down, and shares are of the time that is ' +
        'left. *Full* is who works most where less than 95% of what is offered is answered.',
    ),
    ...all.map((deployment) => tableOf(raise(costs, deployment, run))),
    wrapped(
      `A million a second is simulated message by message, for a slice of ${sliceMs} ms of virtual ` +
        'time after 50 ms that are not counted: nothing in it lasts longer, but what fills slowly ' +
        "(etcd's store, the memory of nodes) is the model's part alone.",
    ),
    tableOf(resourceTable(`${million.name}: a million a second`, plain)),
    tableOf(
      latencyTable('The same, and with a node that dies half-way', [
        ['a million a second', plain],
        ['a million a second, a node dies', simulate(costs, million, dies)],
        ['half of it, a node dies', simulate(costs, lighter, dies)],
      ]),
    ),
    wrapped(
      `The shard of the dead node is led again ${takeoverMs} ms later, as where its process dies and its ` +
        'address refuses; where its machine vanishes it takes the lease, 3 s. Who takes it over then ' +
        'leads two shards, and queues where it used more than half of its thread for one. So leave ' +
        'that much, or have spare nodes that lead nothing: a shard is handed on to them.',
    ),
  ];
}

function then(costs: Costs): string[] {
  const rows = resources.map((name) => [name, meanings[name].is, meanings[name].remedy]);
  const { perSecond } = capacityOf(costs, today);
  const full = loadsOf(costs, { ...today, perSecond });
  const store = full.find(({ resource }) => resource === 'etcd store')?.share ?? Number.NaN;
  const leader = full.find(({ resource }) => resource === 'leader')?.share ?? Number.NaN;
  return [
    '## Where it breaks first, and what to do then',
    wrapped(
      `With one etcd cluster it is etcd: under 100 nodes and shards at some ${shown(perSecond)} a ` +
        `second, when its store is ${Math.round(store * 100)}% full of history and the nodes use ` +
        `${Math.round(leader * 100)}% of their threads. So watch the CPU of etcd's leader and ` +
        '`etcd_mvcc_db_total_size_in_bytes`. A full store refuses decisions from one moment to the ' +
        'next (NOSPACE), where a slow one only makes them wait.',
    ),
    markdownTable(['what is full', 'what it is', 'what to do'], rows),
  ];
}

function shown(value: number): string {
  return rounded(value).toLocaleString('en');
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

function tableOf({ title, columns, rows }: Table): string {
  return `**${title}**\n\n${markdownTable(columns, rows)}`;
}
