/** What the leader has in memory, or had until it ended: all that happened, with its times. */

import { durationText } from '../duration.ts';
import type { BranchState, ExplainedBranch, ExplainedEvent, Explanation } from '../messages.ts';
import { outcomeOf } from '../transaction.ts';
import { adviceOf } from './advice.ts';
import type { BranchFacts, Facts, TransactionFacts } from './facts.ts';
import { saidOf } from './heard.ts';
import { waitsOf } from './waits.ts';
import { count, listed, lockText, named, said, saidBy } from './words.ts';

const maxLockEvents = 8;

export function fromLeader(
  facts: Facts,
  transaction: TransactionFacts,
): Omit<Explanation, 'sources'> {
  const { txid } = facts;
  const { state, attention, ageMs, decidedMs, timeoutMs, reason, requestId } = transaction;
  const { labels, locks, lockGroup } = transaction;
  const outcome = outcomeOf(state);
  const waits = waitsOf(facts, transaction);
  return {
    txid,
    state,
    decided: outcome === null ? null : outcome === 'committed' ? 'commit' : 'abort',
    attention,
    summary: summaryOf(transaction, waits),
    events: eventsOf(facts, transaction),
    waits,
    advice: adviceOf(facts, transaction),
    branches: transaction.branches.map((branch) => explained(facts, branch)),
    ageMs: Math.round(ageMs),
    ...(decidedMs === null ? {} : { decidedAfterMs: decidedMs }),
    ...(timeoutMs === null ? {} : { timeoutMs: Math.round(timeoutMs) }),
    ...(reason === null ? {} : { reason }),
    ...(requestId === null ? {} : { requestId }),
    ...(labels === null ? {} : { labels }),
    ...(locks.length === 0 ? {} : { locks }),
    ...(lockGroup === null ? {} : { lockGroup }),
  };
}

const done: ReadonlySet<BranchState> = new Set(['readonly', 'refused', 'committed', 'rolled-back']);

function summaryOf(transaction: TransactionFacts, waits: Explanation['waits']): string {
  const { state, branches, decidedMs, readonly, ageMs, recovered } = transaction;
  const byHand = listed(branches.flatMap((branch) => (branch.byHand ? [named(branch)] : [])));
  const after = decidedMs === null ? '' : ` ${durationText(decidedMs)} after it began`;
  const settled = branches.filter((branch) => done.has(branch.state)).length;
  const [first] = waits;
  const waiting = first === undefined ? '' : ` ${first.text}`;
  const more = waits.length > 1 ? ` (And ${waits.length - 1} more.)` : '';
  const begun = recovered ? 'was taken up' : 'began';
  switch (state) {
    case 'PENDING':
      return `Not decided: it ${begun} ${durationText(ageMs)} ago, and nothing is prepared yet.${waiting}${more}`;
    case 'PREPARING':
      return `Not decided: it ${begun} ${durationText(ageMs)} ago, and its branches are being prepared.${waiting}${more}`;
    case 'READY':
      return `Every branch has voted, and nothing but the decision log can decide it now.${waiting}${more}`;
    case 'COMMITTING':
      return `Committed${after}, for good; ${settled} of ${count(branches.length, 'branch', 'branches')} ${settled === 1 ? 'is' : 'are'} done.${waiting}${more}`;
    case 'COMMITTED':
      if (readonly) return `Committed${after}. Its branches only read.`;
      return byHand === ''
        ? `Committed${after}, and every branch has carried it out.`
        : `Committed${after}. An operator stated that ${byHand} was settled by hand; the rest has carried it out.`;
    case 'ABORTING':
      return `Aborted${after}, for good; some branches still roll back.${waiting}${more}`;
    case 'ABORTED':
      return `Aborted${after}.`;
  }
}

function eventsOf(facts: Facts, transaction: TransactionFacts): ExplainedEvent[] {
  const { recovered, ageMs, locks, timeoutMs, decidedMs, branches, attention } = transaction;
  const events: ExplainedEvent[] = [];
  if (recovered) {
    const node = facts.leader.type === 'knows' ? facts.leader.node : facts.node;
    events.push({
      text: `An earlier leader had recorded the commit. ${node} found it in the log and carries it out; times are since then.`,
    });
  } else {
    const limit = timeoutMs === null ? '' : `, to be decided within ${durationText(timeoutMs)}`;
    events.push({ atMs: 0, text: `Begun${limit}.` });
  }
  const held = locks.filter((lock) => lock.held);
  for (const lock of held.slice(0, maxLockEvents)) {
    events.push({ atMs: Math.max(0, ageMs - lock.forMs), text: `Locked ${lockText(lock)}.` });
  }
  if (held.length > maxLockEvents) {
    events.push({ text: `Locked ${held.length - maxLockEvents} more keys.` });
  }
  for (const branch of branches) events.push(...branchEvents(branch));
  if (decidedMs !== null) events.push({ atMs: decidedMs, text: decidedText(transaction) });
  events.sort((one, other) => (one.atMs ?? -1) - (other.atMs ?? -1));
  if (attention) events.push({ text: 'Flagged: an operator should look at it.' });
  return events;
}

function decidedText({ state, readonly, reason }: TransactionFacts): string {
  if (outcomeOf(state) === 'aborted') {
    return reason === null ? 'Aborted.' : `Aborted: ${reason.code}: ${said(reason.message)}`;
  }
  return readonly
    ? 'Committed: every branch only read.'
    : 'Committed: the decision is durable in the log, and the client is told.';
}

function* branchEvents(branch: BranchFacts): Generator<ExplainedEvent> {
  const { state, sentMs, votedMs, settledMs, attempts } = branch;
  const of = { branch: branch.branch };
  const who = named(branch);
  if (sentMs !== null) yield { ...of, atMs: sentMs, text: `Prepare sent to ${who}.` };
  if (votedMs !== null) yield { ...of, atMs: votedMs, text: `${who} voted ${voteOf(state)}.` };
  if (branch.byHand !== undefined) yield { ...of, ...byHandEvent(branch, branch.byHand) };
  if (settledMs === null || branch.byHand !== undefined) return;
  const text =
    state === 'committed'
      ? `${who} acknowledged the commit${attempts > 1 ? `, at try ${attempts}` : ''}.`
      : attempts === 0
        ? `${who} owes nothing: what it may hold it rolls back when it asks.`
        : `${who} rolled back, or is gone and will when it asks.`;
  yield { ...of, atMs: settledMs, text };
}

function byHandEvent(
  branch: BranchFacts,
  { by, reason }: NonNullable<BranchFacts['byHand']>,
): Omit<ExplainedEvent, 'branch'> {
  const { settledMs } = branch;
  const text = `${said(by)} stated that ${named(branch)} was settled by hand: ${said(reason)}`;
  return settledMs === null ? { text } : { atMs: settledMs, text };
}

function voteOf(state: BranchState): 'commit' | 'readonly' | 'abort' {
  if (state === 'readonly') return 'readonly';
  return state === 'refused' ? 'abort' : 'commit';
}

function explained(facts: Facts, branch: BranchFacts): ExplainedBranch {
  const { sentMs, votedMs, settledMs, payloadBytes, resultBytes, connected } = branch;
  const says = saidOf(facts, branch);
  const isCommand = branch.state === 'committing' || branch.state === 'rolling-back';
  return {
    branch: branch.branch,
    participant: branch.participant,
    state: branch.state,
    attempts: branch.attempts,
    ...(branch.lastError === null ? {} : { lastError: said(branch.lastError) }),
    ...(branch.byHand === undefined ? {} : { byHand: saidBy(branch.byHand) }),
    ...(branch.instance === null ? {} : { instance: branch.instance }),
    ...(sentMs === null ? {} : { sentAfterMs: sentMs }),
    ...(votedMs === null ? {} : { votedAfterMs: votedMs }),
    ...(settledMs === null ? {} : { settledAfterMs: settledMs }),
    ...(payloadBytes === null ? {} : { payloadBytes }),
    ...(resultBytes === null ? {} : { resultBytes }),
    ...(connected === null ? {} : { connected }),
    ...(isCommand && branch.timerInMs !== null
      ? { nextTryInMs: Math.max(0, Math.round(branch.timerInMs)) }
      : {}),
    ...(says === null ? {} : { says: listed(says, 2) }),
  };
}
