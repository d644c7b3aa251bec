import type { Client } from '../client/client.ts';
import { inFlightOf } from '../http/in-flight.ts';
import type { Clock } from '../ports/clock.ts';

/** Resolves when no transaction of the client is under way, and after `timeoutMs` in any case. */
export async function idle(client: Client, clock: Clock, timeoutMs: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = clock.setTimer(timeoutMs, resolve);
  try {
    await Promise.race([inFlightOf(client).over(), late]);
  } finally {
    timer.cancel();
  }
}
