/**
 * Waiting until a commit is carried out everywhere. The decision's own answer is never held back for it: what is durable is told, and
 * then the status is asked for. So a leader that dies in between costs nothing but the waiting.
 */
import { isVerdictError } from '../peer/errors.ts';
import type { Call } from './call.ts';
import type { Session } from './session.ts';
import type { AnswerWhen, TransactionOutcome } from './types.ts';

/** Participants mostly acknowledge within some milliseconds. */
const firstPauseMs = 2;
const maxPauseMs = 250;

/** The outcome, with `applied` where it was asked for. Never throws: the outcome is known. */
export async function whenApplied<Outcome extends TransactionOutcome<unknown>>(
  session: Session,
  outcome: Outcome,
  { answer, call }: { readonly answer: AnswerWhen | undefined; readonly call: Call },
): Promise<Outcome> {
  if (outcome.outcome === 'aborted' || answer !== 'applied') return outcome;
  return { ...outcome, applied: outcome.readonly || (await isApplied(session, outcome, call)) };
}

async function isApplied(
  session: Session,
  { txid }: TransactionOutcome<unknown>,
  call: Call,
): Promise<boolean> {
  try {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
      if ((await session.status({ txid }, call)).state === 'COMMITTED') return true;
      await call.pause(pauseMs);
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
