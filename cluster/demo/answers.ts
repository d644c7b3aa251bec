/** What `verdict submit --json` prints for each order. */
import type { AbortReason } from '../../src/client.ts';

export interface Answer {
  readonly requestId: string | null;
  readonly txid: string | null;
  readonly outcome: 'committed' | 'aborted' | 'unknown' | 'refused';
  readonly reason?: AbortReason;
  readonly error?: { readonly code: string; readonly message: string };
  readonly ms: number;
}

const outcomes: readonly unknown[] = ['committed', 'aborted', 'unknown', 'refused'];

/** Throws where the line is not one of `submit`'s. */
export function parseAnswer(line: string): Answer {
  const answer = JSON.parse(line) as Partial<Answer>;
  if (!outcomes.includes(answer.outcome) || typeof answer.ms !== 'number') {
    throw new Error(`submit printed what is no answer: ${line.slice(0, 200)}`);
  }
  return answer as Answer;
}

/** `CONFLICT`, or the code of an error. Null where it committed. */
export function codeOf({ reason, error }: Answer): string | null {
  return reason?.code ?? error?.code ?? null;
}
