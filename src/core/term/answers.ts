/** The log's answers, handed to the room that asked. */
import type { RequestEntry } from '../records.ts';
import type { LogAnswer } from './events.ts';
import { attemptRead, expiredRead } from './intake/intake.ts';
import type { RequestQuestion } from './questions.ts';
import {
  decisionRead,
  inDoubtRead,
  keptRead,
  lostRead,
  reportWitnessesRead,
  statusRead,
  witnessRead,
} from './recovery/recovery.ts';
import { abortedRead } from './requests/requests.ts';
import type { TermState } from './state.ts';

/** `readings` is null where the log could not be read. */
export function answered(
  state: TermState,
  token: number,
  readings: readonly LogAnswer[] | null,
): void {
  const question = state.reads.get(token);
  state.reads.delete(token);
  for (const { witness } of readings ?? []) state.sawWitness(witness);
  switch (question?.type) {
    case 'witness':
      return witnessRead(state, question, readings);
    case 'decision':
      return decisionRead(state, question, readings);
    case 'status':
      return statusRead(state, question, readings);
    case 'in-doubt':
      return inDoubtRead(state, question, readings);
    case 'report-witnesses':
      return reportWitnessesRead(state, question, readings);
    case 'report-kept':
      return keptRead(state, question, readings);
    case 'lost':
      return lostRead(state, question, readings);
    case undefined:
      return;
  }
}

/** What `requests/R` holds. `certain`: the leadership stood when this was handed over. */
export function requestAnswered(
  state: TermState,
  token: number,
  entry: RequestEntry | null | 'failed',
  certain: boolean,
): void {
  const question = state.requestReads.get(token);
  state.requestReads.delete(token);
  if (question !== undefined) answerRequest(state, question, entry, certain);
}

function answerRequest(
  state: TermState,
  question: RequestQuestion,
  entry: RequestEntry | null | 'failed',
  certain: boolean,
): void {
  switch (question.type) {
    case 'attempt':
      return attemptRead(state, question.transaction, entry);
    case 'expired':
      return expiredRead(state, question, entry);
    case 'aborted':
      return abortedRead(state, question.transaction, certain ? entry : 'failed');
  }
}

/** The leadership is over: aborts under a request id may not be said any more. */
export function failRequestReads(state: TermState): void {
  const unread = [...state.requestReads.values()];
  state.requestReads.clear();
  for (const question of unread) answerRequest(state, question, 'failed', false);
}
