/**
 * Waits until a commit is carried out everywhere. The decision's own answer is never held back for
 * it; the status is asked for afterwards. So a leader that dies in between costs only more waiting.
 */
import { backoffMs } from '../core/backoff.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import type { Call } from './call.ts';
import type { Cluster } from './cluster.ts';
import type { AnswerWhen, TransactionOutcome } from './types.ts';

/**
 * Participants mostly acknowledge within milliseconds. If one is away, a thousand commits that it
 * owes ask their leader, which answers from memory, some 1,300 times a second.
 */
const delays = { retryDelayMs: 2, maxRetryDelayMs: 1_000 };

interface Asked {
  readonly answer: AnswerWhen | undefined;
  readonly call: Call;
  /** Of a transaction that another may have begun. */
  readonly share?: string;
}

/** The outcome, with `applied` where it was asked for. Never throws: the outcome is known. */
export async function whenApplied<Outcome extends TransactionOutcome<unknown>>(
  cluster: Cluster,
  outcome: Outcome,
  asked: Asked,
): Promise<Outcome> {
  if (outcome.outcome === 'aborted' || asked.answer !== 'applied') return outcome;
  return { ...outcome, applied: outcome.readonly || (await isApplied(cluster, outcome, asked)) };
}

async function isApplied(
  cluster: Cluster,
  { txid }: TransactionOutcome<unknown>,
  { call, share }: Asked,
): Promise<boolean> {
  try {
    for (let failures = 1; ; failures += 1) {
      if ((await cluster.status({ txid, share }, call)).state === 'COMMITTED') return true;
      await cluster.pause(call, backoffMs(failures, delays, cluster.random.fraction()));
    }
  } catch (error) {
    // A record is collected only after the last acknowledgement.
    return isVerdictError(error) && error.code === 'EXPIRED';
  }
}

export function checkAnswer(answer: unknown): void {
  if (answer === undefined || answer === 'decided' || answer === 'applied') return;
  throw new TypeError("answer must be 'decided' or 'applied'");
}
