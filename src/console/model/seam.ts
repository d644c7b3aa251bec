/**
 * What the console reads of answers that not every node gives. Whatever is missing is left out of
 * what is shown; a node that does not know the question is said to be too old.
 */
import type { ErrorMessage, ParticipantStats } from '../../core/messages.ts';

export interface Histogram {
  readonly counts: readonly number[];
  readonly count: number;
  readonly sumMs: number;
}

export interface Stats {
  readonly node: string;
  /** Since its start. */
  readonly atMs: number;
  readonly endings: Readonly<Record<string, number>>;
  readonly bucketsMs: readonly number[];
  readonly phases: Readonly<Partial<Record<string, Histogram>>>;
  readonly participants?: readonly ParticipantStats[];
  readonly loopDelayMs?: number;
  readonly log?: { readonly appends: number; readonly failures: number };
}

/** The node has no such message, or gives its answer to no one else. */
export function isTooOld(error: Pick<ErrorMessage, 'code' | 'message'>): boolean {
  return (
    error.code === 'FORBIDDEN' ||
    (error.code === 'INVALID_MESSAGE' && /no message of type/.test(error.message))
  );
}
