/**
 * Errors of libraries that hide the database's: with it as their cause, the resource knows what it
 * means for the vote, and runs a branch again that lost to another one.
 */
import { isInCauses } from '../resources/sql/refusal.ts';

/** The error itself. `failure`: what a statement failed with; null or undefined where none did. */
export function withCause(error: unknown, failure: () => unknown): unknown {
  if (!(error instanceof Error)) return error;
  const cause = failure();
  if (typeof cause !== 'object' || cause === null) return error;
  if (isInCauses(error, (one) => one === cause)) return error;
  Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
  return error;
}

/**
 * What a prepare throws becomes the text of its vote, which is logged and sent to others, and the
 * texts of all that it has within it do. `textOf`: null where it may stay.
 */
export function retellAll(
  error: unknown,
  textOf: (one: Error) => string | null,
  seen: Set<unknown> = new Set(),
): void {
  if (typeof error !== 'object' || error === null || seen.has(error)) return;
  seen.add(error);
  try {
    if (error instanceof Error) retell(error, textOf(error));
    const { cause, errors } = error as { readonly cause?: unknown; readonly errors?: unknown };
    for (const one of [cause, ...(Array.isArray(errors) ? errors : [])]) {
      retellAll(one, textOf, seen);
    }
  } catch {
    // A getter of something foreign threw: it is no error of a library.
  }
}

function retell(error: Error, text: string | null): void {
  if (text === null) return;
  if (error.stack !== undefined) error.stack = error.stack.replace(error.message, () => text);
  error.message = text;
}
