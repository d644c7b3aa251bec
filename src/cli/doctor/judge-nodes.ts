/** What the nodes said, judged. */
import type { InfoReply, LeaderInfo, QueueInfo, StatsReply } from '../../core/messages.ts';
import { countText, durationText, harmless, plural } from '../text.ts';
import { rangesText } from '../top/lines.ts';
import { type ClockBounds, judgeClocks } from './clocks.ts';
import { type Finding, Findings } from './finding.ts';

export interface NodeFacts {
  readonly node: string;
  readonly url: string;
  /** Each is null where it was not told; why not is `problem`. */
  readonly info: InfoReply | null;
  readonly stats: StatsReply | null;
  readonly configuration: unknown;
  readonly problem: string | null;
}

export interface ClusterFacts {
  readonly nodes: readonly NodeFacts[];
  readonly silent: readonly { readonly url: string; readonly problem: string }[];
  readonly leaders: readonly (LeaderInfo | null)[];
  readonly clocks: readonly ClockBounds[];
}

/** As the alert rules have them (cluster/monitoring). */
const queueShare = 0.6;
const leaseShare = 0.6;
const loopDelayMs = 500;
const slowWriteMs = 100;
/** What may be promised of the heap, the rest of the process beside it. */
const heapShare = 0.75;

export function judgeNodes(facts: ClusterFacts): Finding[] {
  const findings = new Findings('nodes');
  const { nodes, silent, leaders, clocks } = facts;
  judgeReach(findings, nodes, silent);
  judgeVersions(findings, nodes);
  const known = sureLeaders(nodes) ?? leaders;
  judgeLeaders(findings, known);
  for (const node of nodes) judgeNode(findings, node, known);
  judgeDrained(findings, nodes);
  findings.else('readiness', 'Every node that answers is ready.');
  findings.else('access and log', 'No node reports a problem of its own.');
  findings.else('event loop', `No node was late by ${durationText(loopDelayMs)} or more lately.`);
  findings.else('lease', 'Every lease is fresh, or none is needed.');
  findings.else('queues', `No queue is over ${queueShare * 100}% full.`);
  findings.else('breakers', 'The breaker of every participant is closed.');
  findings.else('attention', 'No transaction needs an operator.');
  findings.else('doubts', 'No question about a transaction in doubt waits for the log.');
  if (nodes.every(({ stats }) => stats === null || holdsLease(stats))) {
    findings.else('log', 'The decision log answers.');
  }
  findings.else('memory', 'What the nodes may hold fits their heaps.');
  judgeClocks(findings, clocks);
  return findings.all;
}

function judgeReach(
  findings: Findings,
  nodes: readonly NodeFacts[],
  silent: ClusterFacts['silent'],
): void {
  const check = 'reachable';
  for (const { node, url, info, problem } of nodes) {
    if (info !== null) continue;
    findings.problem(
      check,
      `${node} at ${url} does not answer: ${problem ?? 'no answer'}`,
      'Start it, or look into its log; if it is gone for good, its entry goes when its lease ends. If others reach it, look at the network between it and here.',
    );
  }
  for (const { url, problem } of silent) {
    findings.problem(
      check,
      `No node answers at ${url}: ${problem}`,
      'Start the node there, or leave the address out of --url and of what clients are given.',
    );
  }
  findings.else(check, `${plural(nodes.length, 'node')}, all answer.`);
}

function judgeVersions(findings: Findings, nodes: readonly NodeFacts[]): void {
  const versions = new Map<string, string[]>();
  for (const { node, info } of nodes) {
    if (info !== null) versions.set(info.version, [...(versions.get(info.version) ?? []), node]);
  }
  if (versions.size <= 1) {
    return findings.ok('versions', `All run ${[...versions.keys()][0] ?? 'what is not known'}.`);
  }
  const each = [...versions].map(([version, names]) => `${version} on ${names.join(', ')}`);
  findings.warning(
    'versions',
    `The nodes run different versions: ${each.join('; ')}.`,
    'Finish the rolling upgrade: new messages are used when every node knows them.',
  );
}

/** What peers are told of leaders are hints. Null: no node says whom it is sure of. */
function sureLeaders(nodes: readonly NodeFacts[]): ClusterFacts['leaders'] | null {
  const told = nodes.flatMap(({ info }) => (info === null ? [] : [info.shards]));
  if (told.length === 0) return null;
  const count = Math.max(...told.map((shards) => shards.length));
  return Array.from({ length: count }, (_, shard) => {
    const leaders = told.flatMap((shards) => shards[shard]?.leader ?? []);
    return leaders.reduce<LeaderInfo | null>(
      (newest, each) => (newest === null || each.epoch > newest.epoch ? each : newest),
      null,
    );
  });
}

function holdsLease({ lease }: StatsReply): boolean {
  return lease === undefined || (lease.ageMs !== undefined && lease.ageMs <= lease.validMs);
}

function judgeLeaders(findings: Findings, leaders: ClusterFacts['leaders']): void {
  const missing = leaders.flatMap((leader, shard) => (leader === null ? [shard] : []));
  if (missing.length > 0) {
    return findings.problem(
      'leaders',
      `${missing.length === 1 ? 'Shard' : 'Shards'} ${rangesText(missing)} of ${leaders.length}: no one is known to lead.`,
      'If it lasts longer than a lease: is etcd well, and is a node ready that is not drained? See VerdictNoLeader in docs/OPERATING.md.',
    );
  }
  const byNode = new Map<string, number>();
  for (const leader of leaders) {
    if (leader !== null) byNode.set(leader.node, (byNode.get(leader.node) ?? 0) + 1);
  }
  const each = [...byNode].map(([node, count]) => `${node} leads ${count}`);
  findings.ok('leaders', `${plural(leaders.length, 'shard')}: ${each.join(', ')}.`);
}

function judgeNode(findings: Findings, facts: NodeFacts, leaders: ClusterFacts['leaders']): void {
  const { node, info, stats, configuration } = facts;
  if (info === null) return;
  if (info.drained === true) {
    const led = leaders.flatMap((leader, shard) => (leader?.node === node ? [shard] : []));
    const undrain = `When the work on it is done: verdict undrain ${node}`;
    if (led.length === 0) {
      findings.warning('readiness', `${node} is drained: it leads nothing.`, undrain);
    } else {
      findings.warning(
        'readiness',
        `${node} is drained, and leads on what no other node took: ${led.length === 1 ? 'shard' : 'shards'} ${rangesText(led)}.`,
        `To have them handed over, once another node is ready: verdict drain ${node}. ${undrain}`,
      );
    }
  } else if (!info.ready) {
    findings.problem(
      'readiness',
      `${node} is not ready.`,
      'Its log says why; so do the checks of leaders, access and log, and lease.',
    );
  }
  for (const problem of info.problems ?? []) {
    findings.problem(
      'access and log',
      `${node}: ${harmless(problem)}`,
      'The text says what to do.',
    );
  }
  judgeMemory(findings, node, configuration);
  if (stats === null) {
    findings.skipped('figures', `${node} gave no figures: ${facts.problem ?? 'no answer'}`);
    return;
  }
  judgeFigures(findings, node, stats);
  judgeLog(findings, node, stats);
}

/** Load balancers send no one to any of them, and who stops has no successor. */
function judgeDrained(findings: Findings, nodes: readonly NodeFacts[]): void {
  const heard = nodes.flatMap(({ info }) => info ?? []);
  if (heard.length === 0 || heard.some(({ drained }) => drained !== true)) return;
  findings.problem(
    'readiness',
    'Every node that answers is drained: none is ready.',
    'A leader that ends now has no successor. Undrain those that no one works on.',
  );
}

function judgeFigures(findings: Findings, node: string, stats: StatsReply): void {
  if (stats.loopDelayMs >= loopDelayMs) {
    findings.warning(
      'event loop',
      `${node} did nothing for ${durationText(stats.loopDelayMs)} in the last half minute.`,
      'Look at its machine: processor, memory, throttling. See VerdictEventLoopBlocked in docs/OPERATING.md.',
    );
  }
  for (const queue of stats.queues) {
    const share = shareOf(queue);
    if (share < queueShare) continue;
    findings.warning(
      'queues',
      `${queueText(queue)} of ${node} is ${Math.round(share * 100)}% full.`,
      'Past its bound everyone gets BUSY. "Queues" in docs/OPERATING.md says what is in it, and by which option it is bound.',
    );
  }
  for (const { participant, breaker } of stats.participants) {
    if (breaker === 'closed') continue;
    findings.warning(
      'breakers',
      `The breaker of ${harmless(participant)} is ${breaker} at ${node}: transactions with it are refused.`,
      'It did not vote in time, several times in a row. Look at its process and its log; the breaker closes by itself when it votes again.',
    );
  }
  if (stats.attention > 0) {
    findings.warning(
      'attention',
      `${plural(stats.attention, 'transaction')} at ${node}: decided, and a participant does not acknowledge.`,
      'verdict tx list --attention, then verdict explain TXID for each.',
    );
  }
  if (stats.doubts.waiting > 0) {
    findings.warning(
      'doubts',
      `${plural(stats.doubts.waiting, 'question')} about transactions in doubt ${stats.doubts.waiting === 1 ? 'waits' : 'wait'} for the log at ${node}.`,
      'It has just begun to lead, or the log is slow: see the checks of the log and of etcd.',
    );
  }
}

function shareOf({ entries = 0, maxEntries, bytes = 0, maxBytes }: QueueInfo): number {
  return Math.max(
    maxEntries === undefined || maxEntries === 0 ? 0 : entries / maxEntries,
    maxBytes === undefined || maxBytes === 0 ? 0 : bytes / maxBytes,
  );
}

function queueText({ queue, participant, shard }: QueueInfo): string {
  const of = participant === undefined ? '' : ` for ${harmless(participant)}`;
  return `Queue ${queue}${of}${shard === undefined ? '' : `, shard ${shard},`}`;
}

function judgeLog(findings: Findings, node: string, { log, lease }: StatsReply): void {
  if (lease !== undefined) {
    const { ageMs, validMs } = lease;
    if (ageMs === undefined) {
      findings.problem(
        'lease',
        `${node} holds no lease, of one etcd at least: it can lead nothing there.`,
        'It cannot reach etcd, or etcd has no majority: see the checks of etcd, with --etcd.',
      );
    } else if (ageMs > validMs * leaseShare) {
      findings.warning(
        'lease',
        `The lease of ${node} was confirmed ${durationText(ageMs)} ago, and is good for ${durationText(validMs)}.`,
        'Etcd answers late. See VerdictLeaseNearlyLost in docs/OPERATING.md.',
      );
    }
  }
  // As many as there are bounds, and one: those of the phases have the same.
  const bounds = log.latency.counts.length - 1;
  const { latency, appends, failures } = log;
  if (latency.count === 0 || bounds < 1) return;
  const meanMs = latency.sumMs / latency.count;
  const slow = meanMs > slowWriteMs;
  const text = `${node}: ${plural(appends, 'commit')} made durable, in ${meanMs.toFixed(1)} ms on average since its start; ${plural(failures, 'attempt')} without an answer.`;
  if (slow) {
    findings.warning(
      'log',
      text,
      'Each commit waits for it. Look at the disks and the network of etcd: see VerdictLogSlow in docs/OPERATING.md.',
    );
  }
}

const bounded = ['maxInputBytes', 'maxOutputBytes', 'maxHeldBytes'] as const;

function judgeMemory(findings: Findings, node: string, configuration: unknown): void {
  const { options = {}, heapLimitBytes } = (configuration ?? {}) as {
    readonly options?: Readonly<Record<string, unknown>>;
    readonly heapLimitBytes?: unknown;
  };
  if (typeof heapLimitBytes !== 'number') {
    findings.skipped('memory', `${node} does not say how large its heap may be.`);
    return;
  }
  const sum = bounded.reduce((total, name) => total + Number(options[name] ?? 0), 0);
  if (sum <= heapLimitBytes * heapShare) return;
  findings.warning(
    'memory',
    `${node} may hold ${mebibytes(sum)} (${bounded.join(' + ')}), with a heap limit of ${mebibytes(heapLimitBytes)}.`,
    'Leave these options out, so that they follow the heap, or give Node more: NODE_OPTIONS=--max-old-space-size=...',
  );
}

export function mebibytes(bytes: number): string {
  return `${countText(Math.round(bytes / 1_048_576))} MiB`;
}
