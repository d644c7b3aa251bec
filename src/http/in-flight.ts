import type { Client } from '../client/client.ts';

/** Calls that are under way: what they need is closed after them. */
export class InFlight {
  readonly #calls = new Set<Promise<unknown>>();

  /** For whoever made the call: one that he forgot must be reported as unhandled, if it fails. */
  tracked<Value>(work: Promise<Value>): Promise<Value> {
    const call: Promise<Value> = work.finally(() => this.#calls.delete(call));
    this.#calls.add(call);
    return call;
  }

  /** Those that begin meanwhile, too. Each ends with its own time-out at the latest. */
  async over(): Promise<void> {
    while (this.#calls.size > 0) await Promise.allSettled(this.#calls);
  }
}

/** Held by the client itself: one copy of this package may have made it for another. */
const key = Symbol.for('verdict.inFlight');

/**
 * All of a client, of requests and of methods with `@Transactional`: a NestJS application lets them
 * end before its participants stop.
 */
export function inFlightOf(client: Client): InFlight {
  const holder = client as { [key]?: InFlight };
  if (holder[key] === undefined) Object.defineProperty(holder, key, { value: new InFlight() });
  return holder[key] as InFlight;
}
