import { thrownLine, thrownText } from '../core/thrown.ts';

const marked = new WeakSet<Error>();

/** Such an error ends a process, where nothing catches it, with its text and without its stack. */
export function forOperator<E extends Error>(error: E): E {
  error.stack = thrownLine(error);
  marked.add(error);
  return error;
}

export function isForOperator(error: Error): boolean {
  return marked.has(error);
}

/** A store's error as the callers of a port know it: the port's own, or a RangeError of theirs. */
export function asErrorOf<E extends Error>(
  Port: new (text: string, options?: ErrorOptions) => E,
  error: unknown,
): unknown {
  if (error instanceof Port || error instanceof RangeError) return error;
  const text = thrownText(error);
  if (error instanceof Error && isForOperator(error)) return forOperator(new Port(text));
  return new Port(text, { cause: error });
}
