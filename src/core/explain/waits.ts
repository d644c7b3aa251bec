/** What a transaction in its leader's memory waits for, in the order of its states. */
import { durationText } from '../duration.ts';
import type { ExplainedWait } from '../messages.ts';
import type { BranchFacts, Facts, FitnessFacts, TransactionFacts } from './facts.ts';
import { heardOf, saidOf } from './heard.ts';
import { count, listed, lockText, named, said } from './words.ts';

export function waitsOf(facts: Facts, transaction: TransactionFacts): ExplainedWait[] {
  switch (transaction.state) {
    case 'PENDING':
      return pendingWaits(transaction);
    case 'PREPARING':
      return [...preparingWaits(facts, transaction)];
    case 'READY':
      return [logWait(facts, transaction)];
    case 'COMMITTING':
    case 'ABORTING':
      return transaction.branches.flatMap((branch) => commandWait(facts, branch));
    case 'COMMITTED':
    case 'ABORTED':
      return [];
  }
}

function leftOf({ timeoutMs, ageMs }: TransactionFacts): number | null {
  return timeoutMs === null ? null : Math.max(0, Math.round(timeoutMs - ageMs));
}

function until(ms: number | null): string {
  return ms === null ? '' : `, and is aborted in ${durationText(ms)} unless that changes`;
}

function pendingWaits(transaction: TransactionFacts): ExplainedWait[] {
  const leftMs = leftOf(transaction);
  const next = leftMs === null ? {} : { nextTryInMs: leftMs };
  if (transaction.readsRequest) {
    const text =
      'It waits for the decision log: an earlier attempt under its request id may have committed.';
    return [{ for: 'log', text, sinceMs: Math.round(transaction.ageMs) }];
  }
  const asked = transaction.locks.filter(({ held }) => !held);
  if (asked.length > 0) {
    return asked.map((lock) => {
      const { waitsFor = [], forMs } = lock;
      const by = waitsFor.length === 0 ? '' : `, behind ${listed(waitsFor)}`;
      const text = `It has waited ${durationText(forMs)} for the lock ${lockText(lock)}${by}.`;
      return { for: 'lock', text, txids: waitsFor, sinceMs: forMs, ...next };
    });
  }
  if (transaction.closed) return [];
  const text = `It waits for its client, which has not called commit${until(leftMs)}.`;
  return [{ for: 'client', text, ...next }];
}

function* preparingWaits(facts: Facts, transaction: TransactionFacts): Generator<ExplainedWait> {
  const leftMs = leftOf(transaction);
  const { queuesFor } = transaction;
  if (queuesFor !== null) {
    const fitness = transaction.fitness.find(({ participant }) => participant === queuesFor);
    const text = `It waits for a place with ${queuesFor}${queueText(fitness)}${until(leftMs)}.`;
    const next = leftMs === null ? {} : { nextTryInMs: leftMs };
    yield { for: 'queue', text, participant: queuesFor, ...next };
    return;
  }
  for (const branch of transaction.branches) {
    const of = { participant: branch.participant, branch: branch.branch };
    const endsMs = branch.timerInMs === null ? leftMs : Math.max(0, Math.round(branch.timerInMs));
    const next = endsMs === null ? {} : { nextTryInMs: endsMs };
    if (branch.state === 'unreachable') {
      const text = `It waits for ${named(branch)}, which is not connected${until(endsMs)}.`;
      yield { for: 'participant', text, ...of, ...next };
    } else if (branch.state === 'preparing') {
      const sinceMs =
        branch.sentMs === null ? null : Math.max(0, Math.round(transaction.ageMs - branch.sentMs));
      const since = sinceMs === null ? '' : `, asked ${durationText(sinceMs)} ago`;
      const says = saysText(facts, branch);
      const text = `It waits for the vote of ${named(branch)}${since}${says}${until(endsMs)}.`;
      yield { for: 'vote', text, ...of, ...(sinceMs === null ? {} : { sinceMs }), ...next };
    }
  }
}

function queueText(fitness: FitnessFacts | undefined): string {
  if (fitness === undefined) return '';
  const { underWay, window, waiting, goneForMs } = fitness;
  if (goneForMs !== null) return `, which has been gone for ${durationText(goneForMs)}`;
  return `: ${count(underWay, 'prepare')} of at most ${window} under way, ${count(waiting, 'transaction')} in the queue`;
}

function logWait({ log }: Facts, { ageMs, branches }: TransactionFacts): ExplainedWait {
  const lastVoteMs = Math.max(0, ...branches.map(({ votedMs }) => votedMs ?? 0));
  const sinceMs = Math.max(0, Math.round(ageMs - lastVoteMs));
  const silent = log.ok ? '' : ' The log does not answer at the moment.';
  return {
    for: 'log',
    text: `It has waited ${durationText(sinceMs)} for the decision log to make its commit durable.${silent}`,
    sinceMs,
  };
}

function commandWait(facts: Facts, branch: BranchFacts): ExplainedWait[] {
  const { state, connected, queues, attempts, lastError, timerInMs, instance } = branch;
  if (state !== 'committing' && state !== 'rolling-back') return [];
  const command = state === 'committing' ? 'commit' : 'rollback';
  const of = { participant: branch.participant, branch: branch.branch };
  const next = timerInMs === null ? {} : { nextTryInMs: Math.max(0, Math.round(timerInMs)) };
  const again =
    timerInMs === null ? '' : `, and is tried again in ${durationText(Math.max(0, timerInMs))}`;
  const own = instance === null ? '' : ` (instance ${instance})`;
  if (connected === false) {
    const text = `It waits for ${named(branch)}${own}, which is not connected: its ${command} is sent as soon as it is${again}.`;
    return [{ for: 'participant', text, ...of, ...next }];
  }
  if (queues) {
    const text = `The ${command} of ${named(branch)} waits for its turn: as many commands as its connection takes are under way.`;
    return [{ for: 'queue', text, ...of }];
  }
  // What it says itself is newer.
  const isSaid = heardOf(facts, branch).some(({ error }) => error !== undefined);
  const failed = lastError === null || isSaid ? '' : `. The last try failed: ${said(lastError)}`;
  const tries = attempts > 1 ? `, sent ${attempts} times` : '';
  const says = saysText(facts, branch);
  const text = `It waits for ${named(branch)}${own} to acknowledge its ${command}${tries}${again}${says}${failed}`;
  return [{ for: 'acknowledgement', text: /[.…]$/.test(text) ? text : `${text}.`, ...of, ...next }];
}

function saysText(facts: Facts, branch: BranchFacts): string {
  const says = saidOf(facts, branch);
  return says === null ? '' : `; ${branch.participant} says that it ${listed(says, 1)}`;
}
