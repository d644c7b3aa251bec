/** When all is quiet: what was applied is what was committed, and what the clients were told. */
import type { CallRecord } from '../actors/client.ts';
import type { ParticipantMachine } from '../actors/participant.ts';
import { type Job, requestOf } from '../workload.ts';
import type { Facts } from './facts.ts';

export function checkEnd(end: {
  readonly facts: Facts;
  readonly participants: readonly ParticipantMachine[];
  readonly jobs: readonly Job[];
  readonly calls: readonly CallRecord[];
  /** Messages may arrive twice, as on no WebSocket. */
  readonly duplicates: boolean;
}): void {
  const { facts } = end;
  for (const { txid, record, branches, lost } of facts.all()) {
    if (lost) continue;
    if (record === null) {
      for (const { participant, branch, applied } of branches.values()) {
        facts.check(
          applied === 0,
          'I1',
          `${participant}/${branch} applied ${txid}, which has no commit`,
        );
      }
      continue;
    }
    for (const { participant, branch } of record.branches) {
      const { applied, wasCommitted } = facts.branch(txid, participant, branch);
      if (facts.gaveUp(txid, branch)) {
        facts.check(
          applied <= 1,
          'I1',
          `${participant}/${branch} applied ${txid} ${applied} times`,
        );
        continue;
      }
      facts.check(applied === 1, 'I1', `${participant}/${branch} applied ${txid} ${applied} times`);
      facts.check(wasCommitted, 'I9', `${participant}/${branch} has no durable commit of ${txid}`);
    }
  }
  const applied = effects(end.participants);
  const unclear = lostTags(end);
  for (const job of end.jobs) {
    if (unclear.has(job.tag)) continue;
    checkJob(facts, job, {
      calls: end.calls.filter((call) => call.job === job),
      effects: applied.get(job.tag) ?? new Map(),
      duplicates: end.duplicates,
    });
  }
}

/** Jobs of which etcd has lost something, or of which an operator has given a branch up. */
function lostTags(end: {
  readonly facts: Facts;
  readonly participants: readonly ParticipantMachine[];
  readonly jobs: readonly Job[];
  readonly calls: readonly CallRecord[];
}): ReadonlySet<string> {
  const { facts, participants, jobs, calls } = end;
  const tags = new Set<string>();
  for (const { holdings } of participants) {
    for (const { txid, branch, tag } of holdings.values()) {
      if (facts.at(txid).lost || facts.gaveUp(txid, branch)) tags.add(tag);
    }
  }
  for (const { txid, job } of calls) if (txid !== null && facts.at(txid).lost) tags.add(job.tag);
  for (const job of jobs) {
    if (job.kind === 'request' && facts.request(requestOf(job)).lost) tags.add(job.tag);
  }
  return tags;
}

/** By tag: how often each branch was applied, over all transactions. */
function effects(participants: readonly ParticipantMachine[]): Map<string, Map<string, number>> {
  const found = new Map<string, Map<string, number>>();
  const stores = new Map(participants.map(({ role, holdings }) => [holdings, role]));
  for (const [holdings, name] of stores) {
    for (const { tag, branch, applied } of holdings.values()) {
      if (applied === 0) continue;
      const counts = found.get(tag) ?? new Map<string, number>();
      found.set(tag, counts);
      const key = `${name}/${branch}`;
      counts.set(key, (counts.get(key) ?? 0) + applied);
    }
  }
  return found;
}

function checkJob(
  facts: Facts,
  job: Job,
  run: {
    readonly calls: readonly CallRecord[];
    readonly effects: ReadonlyMap<string, number>;
    readonly duplicates: boolean;
  },
): void {
  const { tag } = job;
  // Each call without a request id is a transaction of its own, and each of these jobs is one call.
  const committing = job.branches.filter(({ payload }) => payload.vote === 'commit');
  const counts = committing.map(
    ({ participant, branch }) => run.effects.get(`${participant}/${branch ?? participant}`) ?? 0,
  );
  const least = Math.min(...counts);
  const most = Math.max(...counts);
  if (counts.length > 0) {
    facts.check(most <= 1, 'I8', `the effects of ${tag} are there ${most} times`);
    facts.check(
      least === most,
      'I1',
      `the effects of ${tag} are there in part: ${counts.join(' ')}`,
    );
  }
  const happened = most === 1;
  const told = run.calls.map(({ ended }) => ended);
  if (told.includes('ok') && counts.length > 0) {
    facts.check(happened, 'I2', `${tag} was told committed, and nothing of it is there`);
  }
  // A request may be refused by who is about to lead, and its copy come when that one leads: only
  // where messages come twice.
  const final = run.duplicates ? ['fail'] : ['fail', 'refused'];
  const isOver = told.length > 0 && told.every((ended) => ended !== null && final.includes(ended));
  if (isOver && (job.kind !== 'request' || run.calls.length === 1)) {
    facts.check(
      !happened,
      'I8',
      `${tag} was told aborted in all its calls, and its effects are there`,
    );
  }
}
