/** What the members of an etcd said, judged. */
import type { Clusters } from '../../decision-log/etcd/clusters.ts';
import { nearestFirst } from '../nearest.ts';
import { countText, harmless, plural } from '../text.ts';
import { type ClockBounds, judgeClocks } from './clocks.ts';
import { versionVerdict } from './etcd-versions.ts';
import { type Finding, Findings } from './finding.ts';
import { mebibytes } from './judge-nodes.ts';

export interface MemberFacts {
  readonly endpoint: string;
  /** Why it said nothing; null: it did. */
  readonly problem: string | null;
  readonly version: string;
  readonly sizeBytes: number;
  /** Null: etcd 3.4 and older members may not say. */
  readonly usedBytes: number | null;
  /** Null: its metrics cannot be read. */
  readonly quotaBytes: number | null;
  readonly leader: string;
  readonly isLearner: boolean;
  readonly errors: readonly string[];
  /** Of a read that a majority confirms; null: it was refused, or gave no answer. */
  readonly readMs: number | null;
  readonly readProblem: string | null;
  readonly clock: ClockBounds | null;
}

export interface EtcdFacts {
  /** `etcd`, or with the range of its shards. */
  readonly area: string;
  readonly members: readonly MemberFacts[];
  /** All that the cluster has; null: not told. */
  readonly memberCount: number | null;
  readonly alarms: readonly string[];
  /** Whether accounts are in use; null: not told. */
  readonly authOn: boolean | null;
  readonly hasTls: boolean;
  /** Null: it could not be read. `others`: those there are instead, where it could be looked. */
  readonly cluster: {
    readonly name: string;
    readonly isThere: boolean;
    readonly others: Clusters | null;
  } | null;
  /** Null: it could not be read. `compacted`: the oldest revision that is still there. */
  readonly history: { readonly revision: number; readonly compacted: number } | null;
}

/** Etcd's own, where none is set. */
const defaultQuotaBytes = 2 * 1_024 ** 3;
const fullShare = 0.7;
const emptyShare = 0.5;
const largeBytes = 512 * 1_024 * 1_024;
const slowReadMs = 100;
/** Ten minutes of some thousands of commits a second. */
const longHistory = 5_000_000;

export function judgeEtcd(facts: EtcdFacts): Finding[] {
  const { members, alarms, authOn, hasTls } = facts;
  const findings = new Findings(facts.area);
  const told = members.filter(({ problem }) => problem === null);
  judgeMembers(findings, facts, told);
  if (told.length === 0) return findings.all;
  judgeCluster(findings, facts);
  judgeVersions(findings, told);
  for (const alarm of alarms) {
    findings.problem(
      'alarms',
      `Alarm ${alarm}.`,
      alarm.startsWith('NOSPACE')
        ? 'It takes no writes, so nothing is decided. Compact, defragment every member, then: etcdctl alarm disarm'
        : "A member differs from the others: replace it from a healthy one, as etcd's documentation on data corruption says.",
    );
  }
  findings.else('alarms', 'None.');
  for (const member of told) judgeSize(findings, member);
  judgeHistory(findings, facts);
  for (const member of told) judgeRead(findings, member);
  findings.else(
    'latency',
    `A read that a majority confirms takes ${told.map(({ readMs }) => `${readMs?.toFixed(1) ?? '?'} ms`).join(', ')}.`,
  );
  if (authOn === null)
    findings.skipped('accounts', 'Etcd did not say whether it asks for accounts.');
  else if (authOn) findings.ok('accounts', 'Etcd asks for accounts.');
  else {
    findings.warning(
      'accounts',
      'Etcd asks for no account: whoever reaches it may read and write every decision.',
      'verdict etcd-setup --enable-auth makes accounts; or let nothing but nodes reach it.',
    );
  }
  if (hasTls) findings.ok('TLS', 'Connections to etcd are encrypted.');
  else {
    findings.warning(
      'TLS',
      'Connections to etcd are not encrypted.',
      'Give etcd a certificate, and the nodes --etcd-ca, unless they share a machine or an encrypted network.',
    );
  }
  judgeClocks(
    findings,
    told.flatMap(({ clock }) => clock ?? []),
  );
  return findings.all;
}

function judgeMembers(
  findings: Findings,
  { members, memberCount }: EtcdFacts,
  told: readonly MemberFacts[],
): void {
  const check = 'members';
  for (const { endpoint, problem } of members) {
    if (problem === null) continue;
    findings.problem(
      check,
      `${endpoint} does not answer: ${problem}`,
      'Start that member, or let it go on if it stands still. Without a majority of its members etcd decides nothing.',
    );
  }
  if (memberCount !== null && memberCount > members.length) {
    findings.warning(
      check,
      `Etcd has ${plural(memberCount, 'member')}, and --etcd names ${members.length}.`,
      'Name all of them, here and to the nodes: one that is not named cannot be turned to.',
    );
  }
  if (memberCount !== null && memberCount % 2 === 0) {
    findings.warning(
      check,
      `Etcd has ${memberCount} members: an even number survives no more than one less.`,
      'Add one, or remove one.',
    );
  }
  if (memberCount === 1) {
    findings.warning(
      check,
      'Etcd has one member: when it is gone, nothing is decided.',
      'Run three.',
    );
  }
  const leaders = new Set(told.map(({ leader }) => leader));
  if (told.length > 0 && (leaders.size > 1 || leaders.has('0'))) {
    findings.problem(
      check,
      'The members do not agree on a leader of theirs.',
      'An election is under way, or the network between them is cut: look at their logs, and ask again.',
    );
  }
  for (const { endpoint, errors, isLearner } of told) {
    const alarmless = errors.filter((error) => !error.includes('NOSPACE'));
    if (alarmless.length > 0) {
      findings.problem(check, `${endpoint}: ${alarmless.join('; ')}`, 'Look into its log.');
    }
    if (isLearner) {
      findings.warning(check, `${endpoint} is a learner.`, 'Promote it: etcdctl member promote.');
    }
  }
  findings.else(check, `${plural(told.length, 'member')}, all answer and agree on a leader.`);
}

function judgeCluster(findings: Findings, { cluster }: EtcdFacts): void {
  const check = 'cluster';
  if (cluster === null) {
    return findings.skipped(check, 'Whether the cluster is in this etcd could not be read.');
  }
  const { name, isThere, others } = cluster;
  if (isThere) return findings.ok(check, `Cluster ${name} is here.`);
  const none = `There is no cluster ${name} in this etcd`;
  if (others === null) {
    return findings.problem(
      check,
      `${none}, and this account may not look for others.`,
      'Compare --cluster and --etcd with those of the nodes: verdict config shows them.',
    );
  }
  if (others.names.length === 0) {
    return findings.problem(
      check,
      `${none}, nor any other.`,
      'Compare --etcd with that of the nodes. If none was started yet, the first one makes the cluster.',
    );
  }
  const more = others.truncated ? ' and others' : '';
  findings.problem(
    check,
    `${none}: it has ${nearestFirst(name, others.names).map(harmless).join(', ')}${more}.`,
    'Name the one that is meant with --cluster, or its etcd with --etcd.',
  );
}

function judgeVersions(findings: Findings, told: readonly MemberFacts[]): void {
  const versions = [...new Set(told.map(({ version }) => version))].sort();
  if (versions.length > 1) {
    findings.warning(
      'version',
      `The members run different versions: ${versions.join(', ')}.`,
      'Finish the upgrade.',
    );
  }
  for (const version of versions) {
    const verdict = versionVerdict(version);
    if (verdict === null) continue;
    if (verdict.isProblem) findings.problem('version', verdict.found, verdict.todo);
    else findings.warning('version', verdict.found, verdict.todo);
  }
  findings.else('version', `Etcd ${versions.join(', ')}.`);
}

function judgeSize(findings: Findings, member: MemberFacts): void {
  const { endpoint, sizeBytes, usedBytes, quotaBytes } = member;
  const quota = quotaBytes ?? defaultQuotaBytes;
  const told =
    quotaBytes === null
      ? `etcd's usual quota of ${mebibytes(quota)} (its own could not be read)`
      : `a quota of ${mebibytes(quota)}`;
  const text = `${endpoint}: ${mebibytes(sizeBytes)} of ${told}${usedBytes === null ? '' : `, ${mebibytes(usedBytes)} in use`}.`;
  if (sizeBytes > quota * fullShare) {
    findings.problem(
      'size',
      text,
      'Past the quota it takes no writes. Compact more often (--etcd-compact, or --auto-compaction-retention of etcd), defragment member by member, and give --quota-backend-bytes=8589934592.',
    );
  } else if (sizeBytes > largeBytes && usedBytes !== null && usedBytes < sizeBytes * emptyShare) {
    findings.warning(
      'size',
      text,
      'More than half of the file is free: etcdctl defrag, one member at a time; it stands still meanwhile.',
    );
  } else findings.ok('size', text);
}

function judgeHistory(findings: Findings, { history }: EtcdFacts): void {
  if (history === null) {
    return findings.skipped('history', 'How much history etcd keeps could not be read.');
  }
  const kept = history.revision - history.compacted;
  const never = history.compacted <= 1;
  const text = `${countText(kept)} revisions of history${never ? ', never compacted' : ''}.`;
  if (kept > longHistory || (never && kept > longHistory / 10)) {
    return findings.warning(
      'history',
      text,
      "Give etcd --auto-compaction-mode=periodic --auto-compaction-retention=5m, or the nodes --etcd-compact where etcd is Verdict's own.",
    );
  }
  findings.ok('history', text);
}

function judgeRead(findings: Findings, { endpoint, readMs, readProblem }: MemberFacts): void {
  if (readProblem !== null) {
    const todo = /permission|user name|denied|auth/i.test(readProblem)
      ? 'Give an account that may read: --etcd-user and --etcd-password-file.'
      : 'Etcd has no majority, or is overloaded: look at all of its members.';
    if (todo.startsWith('Give')) findings.skipped('latency', `${endpoint}: ${readProblem}`, todo);
    else findings.problem('latency', `${endpoint} answered no read: ${readProblem}`, todo);
  } else if (readMs !== null && readMs > slowReadMs) {
    findings.warning(
      'latency',
      `${endpoint}: a read that a majority confirms takes ${readMs.toFixed(1)} ms.`,
      'Look at the disks and the network of the members: each commit waits for a write there.',
    );
  }
}
