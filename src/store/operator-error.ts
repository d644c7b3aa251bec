/** Errors for an operator: the text says what happened and what to do, and no stack is needed. */
import { thrownLine } from '../core/thrown.ts';

const marked = new WeakSet<Error>();

/** Such an error ends a process, where nothing catches it, with its text and without its stack. */
export function forOperator<E extends Error>(error: E): E {
  error.stack = thrownLine(error);
  marked.add(error);
  return error;
}

export function isForOperator(error: unknown): boolean {
  return error instanceof Error && marked.has(error);
}
