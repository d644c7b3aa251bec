/**
 * Holds a run against every change that etcd ever saw, where the checker sees only what is left at
 * the end: a decision written twice, or by a leader whose time was over, shows nowhere else.
 */
import { type Epoch, epochOf, type Txid } from '../../../src/core/txid.ts';
import type { Change } from '../etcd/etcd-history.ts';
import type { ParticipantState } from '../participants/participant-process.ts';

export interface HistoryRun {
  readonly changes: readonly Change[];
  readonly participants: readonly ParticipantState[];
  readonly retired?: readonly string[];
}

export function checkHistory(run: HistoryRun): string[] {
  return [...puts(run), ...fenced(run), ...votes(run), ...totals(run)];
}

/**
 * Each decision is put once, and never with two outcomes; no request key is written over another.
 */
function puts({ changes }: HistoryRun): string[] {
  const found: string[] = [];
  const times = new Map<string, number>();
  const outcomes = new Map<string, string | null>();
  for (const { type, area, name, version, outcome } of changes) {
    if (type !== 'put' || area === 'leader') continue;
    if (version !== 1) found.push(`${area}/${name} was written over (version ${version})`);
    if (area === 'requests') continue;
    const key = `${area}/${name}`;
    const count = (times.get(key) ?? 0) + 1;
    times.set(key, count);
    if (count === 2) found.push(`${key} was put more than once`);
    const before = outcomes.get(name);
    if (before !== undefined && before !== outcome) {
      found.push(`${name} was recorded as ${before} and as ${outcome}`);
    }
    outcomes.set(name, outcome);
  }
  return found;
}

/** I6: a commit is written under the leadership that its txid names, and under no other. */
function fenced({ changes }: HistoryRun): string[] {
  const found: string[] = [];
  const leading = new Map<number, Epoch | null>();
  const decided = new Set<string>();
  for (const { type, area, shard, name, outcome, epoch } of changes) {
    if (area === 'leader') leading.set(shard, type === 'put' ? epoch : null);
    if (type !== 'put' || (area !== 'decisions' && area !== 'finished')) continue;
    // A move to finished/ of what was decided before is anybody's who leads then.
    if (decided.has(name)) continue;
    decided.add(name);
    if (outcome !== 'commit') continue;
    const now = leading.get(shard) ?? null;
    if (now !== epochOf(name as Txid)) {
      found.push(`the commit of ${name} was written while ${now ?? 'no one'} led`);
    }
  }
  return found;
}

/** I3: whoever is recorded as having voted commit holds that branch, and has applied it. */
function votes({ changes, participants, retired = [] }: HistoryRun): string[] {
  const applied = new Map<string, number>();
  for (const { participant, held } of participants) {
    for (const each of held) {
      applied.set(`${participant} ${each.txid}/${each.branch}`, each.applied);
    }
  }
  const found: string[] = [];
  for (const { participant, txid, branch } of committedBranches(changes)) {
    if (retired.includes(participant)) continue;
    const times = applied.get(`${participant} ${txid}/${branch}`);
    if (times === undefined) {
      found.push(
        `${txid} is committed with a vote of ${participant}/${branch}, which never had it`,
      );
    } else if (times !== 1) {
      found.push(`${txid} is committed, and ${participant}/${branch} applied it ${times} times`);
    }
  }
  return found;
}

/** What the stores hold in all is what the log has committed in all. */
function totals({ changes, participants, retired = [] }: HistoryRun): string[] {
  const wanted = new Map<string, number>();
  for (const { participant } of committedBranches(changes)) {
    wanted.set(participant, (wanted.get(participant) ?? 0) + 1);
  }
  const found: string[] = [];
  for (const { participant, held } of participants) {
    if (retired.includes(participant)) continue;
    const applied = held.reduce((sum, each) => sum + each.applied, 0);
    const logged = wanted.get(participant) ?? 0;
    if (applied !== logged) {
      found.push(`${participant} applied ${applied} effects, the log has ${logged} commits for it`);
    }
  }
  return found;
}

function* committedBranches(
  changes: readonly Change[],
): Iterable<{ readonly txid: string; readonly participant: string; readonly branch: string }> {
  for (const { type, area, name, outcome, branches } of changes) {
    if (type !== 'put' || area !== 'decisions' || outcome !== 'commit') continue;
    for (const { participant, branch } of branches) yield { txid: name, participant, branch };
  }
}
