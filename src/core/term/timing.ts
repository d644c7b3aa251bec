/** How long the parts of a transaction took, into the figures of the node. */
import { outcomeOf, sinceBegin, type Transaction, unknown } from '../transaction.ts';
import type { TermState } from './state.ts';

/** Its outcome is known. */
export function timeDecision({ figures, nowMs }: TermState, transaction: Transaction): void {
  const { reason, readonly } = transaction;
  const { sentUs, votedUs } = phaseOneOf(transaction);
  const decidedUs = sinceBegin(transaction, nowMs);
  transaction.decidedUs = decidedUs;
  const { wait, prepare, log, decide } = figures.phases;
  decide.record(decidedUs / 1_000);
  if (sentUs !== unknown) wait.record(sentUs / 1_000);
  if (votedUs !== unknown) {
    prepare.record((votedUs - sentUs) / 1_000);
    if (!readonly) log.record((decidedUs - votedUs) / 1_000);
  }
  const committed = readonly ? 'readonly' : 'committed';
  const isCommitted = outcomeOf(transaction.state) === 'committed';
  figures.ended(isCommitted ? committed : (reason?.code ?? 'OTHER'));
}

/** When its first prepare left, and when its last vote had come; `unknown` where it did not. */
export function phaseOneOf({ branches }: Transaction): {
  readonly sentUs: number;
  readonly votedUs: number;
} {
  let sentUs = unknown;
  let votedUs = unknown;
  let owed = branches.size === 0;
  for (const branch of branches.values()) {
    if (branch.votedUs === unknown) owed = true;
    else votedUs = Math.max(votedUs, branch.votedUs);
    if (branch.sentUs === unknown) continue;
    sentUs = sentUs === unknown ? branch.sentUs : Math.min(sentUs, branch.sentUs);
  }
  return { sentUs, votedUs: owed ? unknown : votedUs };
}

/** Its last branch is settled. A recovered one was decided before this leadership. */
export function timeEnd({ figures, nowMs }: TermState, transaction: Transaction): void {
  const { decidedUs } = transaction;
  if (decidedUs === unknown) return;
  figures.phases.settle.record((sinceBegin(transaction, nowMs) - decidedUs) / 1_000);
}
