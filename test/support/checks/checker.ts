/**
 * Holds what clients were told against what the decision log and every participant hold, once all
 * is quiet. Pure: returns every violation as a sentence; none means that the run was atomic.
 */
import { scopeOf, unscoped } from '../../../src/core/scope.ts';
import { positionOf, positionZero, shardOf, type Txid } from '../../../src/core/txid.ts';
import type { RecordedCall } from '../clients/history.ts';
import type { Change } from '../etcd/etcd-history.ts';
import type { LogContents } from '../logs/log-contents.ts';
import type { ParticipantState } from '../participants/participant-process.ts';
import { checkHistory } from './history-checker.ts';

export interface Run {
  readonly calls: readonly RecordedCall[];
  /** Further answers about a txid: from status, query, another client. */
  readonly answers?: readonly { readonly txid: Txid; readonly committed: boolean }[];
  readonly log: LogContents;
  /** Where commits may lie further apart than it, and records say when they were. */
  readonly requestWindowMs?: number;
  readonly participants: readonly ParticipantState[];
  /** All that etcd ever saw, where the log is there. */
  readonly changes?: readonly Change[];
  /**
   * Participants whose part is not looked at here: an operator gave them up, or another check has
   * them.
   */
  readonly retired?: readonly string[];
}

export function check(run: Run): string[] {
  return [
    ...quiet(run),
    ...records(run),
    ...answers(run),
    ...requests(run),
    ...effects(run),
    ...recordedEffects(run),
    ...recordedVotes(run),
    ...agreement(run),
    ...(run.changes === undefined ? [] : checkHistory({ ...run, changes: run.changes })),
  ];
}

/** Nothing is left on the way. */
function quiet({ log, participants }: Run): string[] {
  const found: string[] = [];
  for (const { txid, area } of log.records) {
    if (area === 'decisions') found.push(`${txid} is left in decisions/`);
  }
  for (const { participant, held, journalOpen } of participants) {
    for (const { txid, branch, prepared } of held) {
      if (prepared) found.push(`${participant} still holds ${txid}/${branch} prepared`);
    }
    for (const entry of journalOpen) found.push(`the journal of ${participant} still has ${entry}`);
  }
  return found;
}

/** One record for each txid. */
function records({ log }: Run): string[] {
  const seen = new Set<Txid>();
  const found: string[] = [];
  for (const { txid } of log.records) {
    if (seen.has(txid)) found.push(`${txid} has two records`);
    seen.add(txid);
  }
  return found;
}

/** All answers about one txid agree, with each other and with the log. */
function answers(run: Run): string[] {
  const found: string[] = [];
  const said = new Map<Txid, boolean>();
  const told = [
    ...run.calls.flatMap(({ txid, ended }) =>
      txid === null || (ended !== 'ok' && ended !== 'fail')
        ? []
        : [{ txid, committed: ended === 'ok' }],
    ),
    ...(run.answers ?? []),
  ];
  const readonly = new Set(run.calls.filter(holdsNothing).map(({ txid }) => txid));
  for (const { txid, committed } of told) {
    const before = said.get(txid);
    if (before !== undefined && before !== committed) {
      found.push(`${txid} was called committed and aborted`);
    }
    said.set(txid, committed);
    const logged = committedInLog(run.log, txid);
    if (logged === null || readonly.has(txid)) continue;
    if (logged !== committed) {
      found.push(
        `${txid} was called ${committed ? 'committed' : 'aborted'}, the log says ${logged ? 'committed' : 'aborted'}`,
      );
    }
  }
  return found;
}

/** Null: the floor has passed it, and absence says nothing. */
function committedInLog(log: LogContents, txid: Txid): boolean | null {
  const record = log.records.find((each) => each.txid === txid);
  if (record !== undefined) return record.outcome === 'commit';
  return positionOf(txid) <= (log.floors[shardOf(txid)] ?? positionZero) ? null : false;
}

/** At most one transaction commits under one request id of a client, within the request window. */
function requests({ calls, log, requestWindowMs = Number.POSITIVE_INFINITY }: Run): string[] {
  const found: string[] = [];
  const times = new Map(log.records.map(({ txid, atMs }) => [txid, atMs]));
  const apartMs = (one: Txid, other: Txid): number =>
    Math.abs((times.get(one) ?? Number.NaN) - (times.get(other) ?? Number.NaN));
  const committed = new Map<string, Txid>();
  /** As the client called it, who does not say its name in the record of its calls. */
  const byCallersId = new Map<string, Set<Txid>>();
  const note = (requestId: string, txid: Txid): void => {
    const before = committed.get(requestId);
    if (before !== undefined && before !== txid && !(apartMs(before, txid) > requestWindowMs)) {
      found.push(`request ${shown(requestId)} committed as ${before} and as ${txid}`);
    }
    committed.set(requestId, txid);
    const id = unscoped(requestId);
    byCallersId.set(id, (byCallersId.get(id) ?? new Set()).add(txid));
  };
  for (const { requestId, txid } of log.requests) {
    note(requestId, txid);
    if (committedInLog(log, txid) === false) {
      found.push(`request ${shown(requestId)} points to ${txid}, which did not commit`);
    }
  }
  for (const { requestId, txid, outcome } of log.records) {
    if (requestId !== null && outcome === 'commit') note(requestId, txid);
  }
  for (const { requestId, txid, ended } of calls) {
    if (requestId === null || txid === null || ended !== 'ok') continue;
    const others = byCallersId.get(requestId);
    if (others === undefined) byCallersId.set(requestId, new Set([txid]));
    else if (!others.has(txid)) {
      found.push(`request ${requestId} committed as ${[...others].join(' and ')} and as ${txid}`);
    }
  }
  return found;
}

function shown(requestId: string): string {
  const client = scopeOf(requestId);
  return client === undefined ? requestId : `${unscoped(requestId)} of ${client}`;
}

function holdsNothing({ plan }: RecordedCall): boolean {
  return Object.values(plan).every(({ vote }) => vote === 'readonly');
}

/**
 * ok: once at every participant that changes something; fail and refused: nowhere; info: everywhere
 * or nowhere.
 */
function effects({ calls, participants, retired = [] }: Run): string[] {
  const found: string[] = [];
  for (const calledAs of byTag(calls).values()) {
    const [first] = calledAs;
    if (first === undefined) continue;
    const { tag, plan } = first;
    const wanted = Object.keys(plan).filter(
      (name) => (plan[name]?.vote ?? 'commit') === 'commit' && !retired.includes(name),
    );
    const applied = new Map<string, number>();
    const txids = new Set<Txid>();
    for (const { participant, held } of participants) {
      for (const each of held) {
        if (each.tag !== tag || each.applied === 0) continue;
        applied.set(participant, (applied.get(participant) ?? 0) + each.applied);
        txids.add(each.txid);
      }
    }
    const about = `call ${tag} (${calledAs.map(({ ended, txid }) => `${ended} ${txid ?? ''}`).join(', ')})`;
    if (txids.size > 1) found.push(`${about} had effects as ${[...txids].join(' and ')}`);
    const times = wanted.map((name) => applied.get(name) ?? 0);
    const everywhere = times.every((count) => count === 1);
    const nowhere = applied.size === 0;
    if (times.some((count) => count > 1)) {
      found.push(
        `${about} was applied more than once: ${JSON.stringify(Object.fromEntries(applied))}`,
      );
    }
    const ok = calledAs.find(({ ended }) => ended === 'ok');
    if (ok !== undefined) {
      if (!everywhere) {
        found.push(`${about} is ok, and applied ${JSON.stringify(Object.fromEntries(applied))}`);
      } else if (ok.txid !== null && txids.size === 1 && !txids.has(ok.txid)) {
        found.push(`${about} is ok as ${ok.txid}, and was applied as ${[...txids].join()}`);
      }
    } else if (calledAs.some(({ ended }) => ended === 'info')) {
      if (!everywhere && !nowhere) {
        found.push(`${about} is half done: ${JSON.stringify(Object.fromEntries(applied))}`);
      }
    } else if (!nowhere) {
      found.push(`${about} failed, and applied ${JSON.stringify(Object.fromEntries(applied))}`);
    }
  }
  return found;
}

/** The same request sent by several calls is one thing to be done. */
function byTag(calls: readonly RecordedCall[]): Map<string, RecordedCall[]> {
  const tags = new Map<string, RecordedCall[]>();
  for (const call of calls) tags.set(call.tag, [...(tags.get(call.tag) ?? []), call]);
  return tags;
}

/** Whatever was applied, by whoever's call, has its commit in the log. */
function recordedEffects({ log, participants }: Run): string[] {
  const found: string[] = [];
  for (const { participant, held } of participants) {
    for (const { txid, branch, applied } of held) {
      if (applied > 0 && committedInLog(log, txid) === false) {
        found.push(
          `${participant} applied ${txid}/${branch}, which the log does not know as committed`,
        );
      }
    }
  }
  return found;
}

/** I3: whoever is recorded as having voted commit held that branch, and applied it once. */
function recordedVotes({ log, participants, retired = [] }: Run): string[] {
  const applied = new Map<string, number>();
  const present = new Set<string>();
  for (const { participant, held } of participants) {
    if (!retired.includes(participant)) present.add(participant);
    for (const { txid, branch, applied: times } of held) {
      applied.set(JSON.stringify([participant, txid, branch]), times);
    }
  }
  const found: string[] = [];
  for (const { txid, outcome, branches = [] } of log.records) {
    if (outcome !== 'commit') continue;
    for (const { participant, branch } of branches) {
      if (!present.has(participant)) continue;
      const times = applied.get(JSON.stringify([participant, txid, branch]));
      if (times === 1) continue;
      found.push(
        `${txid} is recorded with a vote of ${participant}/${branch}, which ${times === undefined ? 'never had it' : `applied it ${times} times`}`,
      );
    }
  }
  return found;
}

/** I1: no branch applied, and another one of the same transaction rolled back. */
function agreement({ calls, participants }: Run): string[] {
  const plans = new Map(calls.map(({ tag, plan }) => [tag, plan]));
  const applied = new Map<Txid, string>();
  const undone = new Map<Txid, string>();
  for (const { participant, held } of participants) {
    for (const { txid, prepared, tag, applied: times } of held) {
      if (times > 0) applied.set(txid, participant);
      // One that only read, or voted abort, has nothing to apply.
      const votes = tag === null ? undefined : (plans.get(tag)?.[participant]?.vote ?? 'commit');
      if (times === 0 && !prepared && votes === 'commit') undone.set(txid, participant);
    }
  }
  const found: string[] = [];
  for (const [txid, by] of undone) {
    const other = applied.get(txid);
    if (other !== undefined) found.push(`${other} applied ${txid}, and ${by} rolled it back`);
  }
  return found;
}
