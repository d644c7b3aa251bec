/** Calls of a database's resource, as the SDK would make them. */
import { makeEpoch, type Txid } from '../../../src/core/txid.ts';
import type { PrepareCall } from '../../../src/ports/resource.ts';
import { txidAt } from '../logs/stores.ts';

const epoch = makeEpoch({ generation: 0, revision: 7n });
let sequence = 0;

export function prepareCall<Payload>(
  payload: Payload,
  more: Partial<PrepareCall<Payload>> = {},
): PrepareCall<Payload> {
  sequence += 1;
  return {
    txid: txidAt(epoch, sequence),
    branch: 'ledger',
    payload,
    signal: new AbortController().signal,
    timeoutMs: 30_000,
    working: () => undefined,
    ...more,
  };
}

export function refOf<Payload>({ txid, branch }: PrepareCall<Payload>): {
  readonly txid: Txid;
  readonly branch: string;
  readonly payload: undefined;
} {
  return { txid, branch, payload: undefined };
}

/** A point in a service's prepare that the test holds it at. */
export class Stop {
  readonly reached: Promise<void>;
  readonly #goOn: Promise<void>;
  #tellReached: () => void = () => undefined;
  goOn: () => void = () => undefined;

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#tellReached = resolve;
    });
    this.#goOn = new Promise((resolve) => {
      this.goOn = resolve;
    });
  }

  async here(): Promise<void> {
    this.#tellReached();
    await this.#goOn;
  }
}
