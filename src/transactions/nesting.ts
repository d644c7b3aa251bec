/**
 * A run within the function of another one would take a second place and second sessions, wait for
 * rows that the outer one holds, and be committed by itself whatever becomes of the outer one.
 */
import { asyncContext } from '../system/async-context.ts';

interface Running {
  readonly of: object;
  readonly outer: Running | undefined;
  isOver: boolean;
}

const running = asyncContext<Running>();

/** Throws where it is called from within a function that is running for `of`. */
export function refuseNested(of: object): void {
  for (let each = running.get(); each !== undefined; each = each.outer) {
    if (each.of !== of || each.isOver) continue;
    throw new TypeError(
      'run was called within the function of another run. Use the handles of that one, or call it when that one has ended: it would be committed by itself.',
    );
  }
}

/** What the function started and did not wait for may run something of its own when it is over. */
export async function runningFor<Value>(of: object, work: () => Promise<Value>): Promise<Value> {
  const own: Running = { of, outer: running.get(), isOver: false };
  try {
    return await running.run(own, work);
  } finally {
    own.isOver = true;
  }
}
