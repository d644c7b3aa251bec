/** One submitted transaction through the client SDK: its outcome or error, for the report. */
import type { Client } from '../../client/client.ts';
import type { AbortReason } from '../../core/catalogue.ts';
import { thrownText } from '../../core/thrown.ts';
import type { Txid } from '../../core/txid.ts';
import { isVerdictError, type VerdictErrorCode } from '../../peer/verdict-error.ts';
import type { SubmittedTransaction } from './parse-line.ts';

export type Ended =
  | {
      readonly outcome: 'committed';
      readonly txid: Txid;
      readonly results: Readonly<Record<string, unknown>> | null;
    }
  | { readonly outcome: 'aborted'; readonly txid: Txid; readonly reason: AbortReason }
  | {
      /** `unknown`: it has or will have an outcome, not known here. `refused`: nothing was done. */
      readonly outcome: 'unknown' | 'refused';
      readonly txid: Txid | null;
      readonly error: { readonly code: VerdictErrorCode; readonly message: string };
    };

export type Transact = (
  transaction: SubmittedTransaction,
  options: { readonly signal: AbortSignal },
) => Promise<Ended>;

/** What a call waits beyond its transaction's own time-out, for the answer to arrive. */
const answerMs = 5_000;

/** `timeoutMs`: for one transaction, while nodes come and go. `retry`: also after some aborts. */
export function transactThrough(
  client: Client,
  options: { readonly timeoutMs: number; readonly retry: boolean },
): Transact {
  return async (transaction, { signal }) => {
    const { participants, ...settings } = transaction;
    const timeoutMs =
      settings.timeoutMs === undefined
        ? options.timeoutMs
        : Math.max(options.timeoutMs, settings.timeoutMs + answerMs);
    const branches = Object.entries(participants).map(([participant, payload]) => ({
      participant,
      payload,
    }));
    try {
      const outcome = await client.transact(
        { branches, ...settings },
        { signal, timeoutMs, retry: options.retry },
      );
      const { txid } = outcome;
      return outcome.outcome === 'committed'
        ? { outcome: 'committed', txid, results: outcome.results }
        : { outcome: 'aborted', txid, reason: reasonForLines(outcome.reason) };
    } catch (error) {
      return failed(error);
    }
  };
}

/** The SDK's advice names an option that a line does not have. */
export function reasonForLines(reason: AbortReason): AbortReason {
  const message = reason.message.replace(
    /`retry`, `attempt: \d+` or another requestId/,
    '--retry, or another requestId',
  );
  return { ...reason, message };
}

function failed(error: unknown): Ended {
  if (!isVerdictError(error)) {
    // A fault on this side. Something may have been sent, so only "unknown" is true.
    const fault = { code: 'INTERNAL', message: thrownText(error) } as const;
    return { outcome: 'unknown', txid: null, error: fault };
  }
  const { acted, code, message, txid = null } = error;
  return { outcome: acted === 'nothing' ? 'refused' : 'unknown', txid, error: { code, message } };
}
