/** What each identity uses at this node, over all its connections, where its rights set a quota. */
import { RateLimit } from '../coordinator/rate-limit.ts';
import type { Rights } from '../core/access/rights.ts';
import { busy, type Refusal } from '../core/term/events.ts';
import type { Clock } from '../ports/clock.ts';

type Paced = 'requestIdsPerSecond' | 'bytesPerSecond';

interface Use {
  connections: number;
  readonly paces: Map<Paced, { readonly limit: RateLimit; readonly perSecond: number }>;
}

export class Uses {
  readonly #clock: Clock;
  /** Also of those that are not connected now: whoever comes back owes what it owed. */
  readonly #byIdentity = new Map<string, Use>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Counts a connection; why there may not be one more, or null. In one step (!). `replaces`: so
   * many of its others end as this one is let in.
   */
  connect({ name, quotas }: Rights, replaces = 0): Refusal | null {
    const use = this.#useOf(name);
    if (quotas.connections === undefined || use.connections < quotas.connections + replaces) {
      use.connections += 1;
      return null;
    }
    const text = `The identity ${name} has its quota of ${quotas.connections} connections to this node. Close some, or raise "quotas.connections" in the access file.`;
    return busy(text, 5_000);
  }

  ended(identity: string): void {
    this.#useOf(identity).connections -= 1;
  }

  #useOf(identity: string): Use {
    const use = this.#byIdentity.get(identity) ?? { connections: 0, paces: new Map() };
    this.#byIdentity.set(identity, use);
    return use;
  }

  /** Counts a request id; why it may not be used now, or null. */
  requestIdProblem(rights: Rights): Refusal | null {
    const waitMs = this.#pace(rights, 'requestIdsPerSecond')?.take() ?? 0;
    if (waitMs === 0) return null;
    const { requestIdsPerSecond } = rights.quotas;
    const text = `The identity ${rights.name} has its quota of ${requestIdsPerSecond} request ids a second. Send fewer, or raise "quotas.requestIdsPerSecond" in the access file.`;
    return busy(text, waitMs);
  }

  /** Bytes came from it: for how long nothing more is to be read, in milliseconds. */
  came(rights: Rights, bytes: number): number {
    return this.#pace(rights, 'bytesPerSecond')?.spend(bytes) ?? 0;
  }

  #pace({ name, quotas }: Rights, paced: Paced): RateLimit | null {
    const perSecond = quotas[paced];
    if (perSecond === undefined) return null;
    const use = this.#useOf(name);
    const known = use.paces.get(paced);
    if (known?.perSecond === perSecond) return known.limit;
    const limit = new RateLimit(this.#clock, perSecond, perSecond);
    use.paces.set(paced, { limit, perSecond });
    return limit;
  }
}
