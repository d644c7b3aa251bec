/** Learning what became of a transaction. */
import type { AbortReason } from '../core/catalogue.ts';
import type { OutcomeMessage, TransactionStatus } from '../core/messages.ts';
import { thrownError } from '../core/thrown.ts';
import type { Txid } from '../core/txid.ts';
import { isVerdictError, OutcomeUnknownError, VerdictError } from '../peer/verdict-error.ts';
import type { Call } from './call.ts';
import type { Cluster } from './cluster.ts';
import type { TransactionOutcome } from './types.ts';

/** The reason goes with the memory of the leader that decided; the abort itself stands. */
const reasonGone: AbortReason = {
  code: 'LEADER_CHANGED',
  message: 'The transaction was aborted. The reason is no longer known.',
  retryable: true,
};

export function outcomeOf<Results>(message: OutcomeMessage): TransactionOutcome<Results> {
  const { txid, outcome, reason = reasonGone, repeats } = message;
  if (outcome === 'aborted') {
    if (repeats === undefined) return { outcome, txid, reason };
    const told = `${reason.message} (So attempt ${repeats} was answered before. Nothing was run now. To try again: \`retry\`, \`attempt: ${repeats + 1}\` or another requestId.)`;
    return { outcome, txid, reason: { ...reason, message: told }, repeated: true };
  }
  // The caller says what its participants bring back; nothing here can check it.
  const results = message.results as Results | null;
  return { outcome, txid, readonly: message.readonly ?? false, results };
}

function settledBy<Results>(status: TransactionStatus): TransactionOutcome<Results> | null {
  const { txid, state, reason = reasonGone } = status;
  switch (state) {
    case 'COMMITTING':
    case 'COMMITTED':
      return { outcome: 'committed', txid, readonly: false, results: null };
    case 'ABORTING':
    case 'ABORTED':
      return { outcome: 'aborted', txid, reason };
    default:
      return null;
  }
}

/**
 * Asks for the status until the transaction is decided. The request itself is not sent again: it
 * may still lie in a buffer, or be running.
 */
export async function followUp<Results>(
  cluster: Cluster,
  options: { txid: Txid; share: string | undefined; call: Call; after: unknown },
): Promise<TransactionOutcome<Results>> {
  const { txid, share, call, after } = options;
  try {
    for (let asked = 1; ; asked += 1) {
      const outcome = settledBy<Results>(await cluster.status({ txid, share }, call));
      if (outcome !== null) return outcome;
      await cluster.pause(call, cluster.pauseMs(asked));
    }
  } catch (error) {
    throw unknownOutcome({ error, txid, after });
  }
}

/**
 * The error of a call that ended while its effect is unknown. `after`: what made it unknown, if
 * `error` is only the end of the waiting. EXPIRED stays: asking again will not help.
 */
export function unknownOutcome(options: {
  error: unknown;
  txid: Txid | undefined;
  requestId?: string;
  after?: unknown;
}): Error {
  const { error, after, requestId } = options;
  if (!isVerdictError(error)) return thrownError(error);
  const txid = options.txid ?? error.txid;
  if (error.code === 'EXPIRED') {
    const { message, retryable, acted, cause } = error;
    return new VerdictError('EXPIRED', message, { retryable, acted, txid, cause });
  }
  const about = txid === undefined ? 'The transaction' : `The transaction ${txid}`;
  if (error.code === 'ABORTED_BY_CALLER') {
    const text = `${about} goes on, although the caller gave up waiting for its outcome.`;
    return new OutcomeUnknownError(text, { txid, requestId, cause: error.cause });
  }
  const text = `${about} has an outcome, or will have one, but it could not be learnt: ${error.message}`;
  return new OutcomeUnknownError(text, {
    txid,
    requestId,
    cause: error.code === 'TIMEOUT' ? (after ?? error) : error,
  });
}
