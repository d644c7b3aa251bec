/** Nothing that is looked at may hold up the rest. */
import { systemClock } from '../../system/clock.ts';

/** Rejects when it takes longer; whoever does the work has to end it. */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = systemClock.setTimer(timeoutMs, () =>
    late.reject(new Error(`no answer within ${timeoutMs} ms`)),
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}
