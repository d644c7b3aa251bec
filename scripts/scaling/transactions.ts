/** The transactions of a run, in flat arrays: there are millions. */

/** Where a transaction is, at its leader. */
export const state = {
  running: 0,
  deciding: 1,
  decided: 2,
  done: 3,
  /** Begun again as another one. */
  gone: 4,
} as const;

export class Transactions {
  count = 0;
  startedMs: Float64Array;
  state: Uint8Array;
  /** Votes, then acknowledgements, that are owed. */
  left: Uint8Array;
  shard: Int32Array;
  /** `branches` for each. */
  process: Int32Array;
  readonly #branches: number;

  constructor(branches: number) {
    const room = 1_024;
    this.#branches = branches;
    this.startedMs = new Float64Array(room);
    this.state = new Uint8Array(room);
    this.left = new Uint8Array(room);
    this.shard = new Int32Array(room);
    this.process = new Int32Array(room * branches);
  }

  add(startedMs: number, shard: number): number {
    const tx = this.count;
    this.count += 1;
    if (tx === this.state.length) this.#grow();
    this.startedMs[tx] = startedMs;
    this.state[tx] = state.running;
    this.left[tx] = this.#branches;
    this.shard[tx] = shard;
    return tx;
  }

  /** One less; how many are left. */
  settle(tx: number): number {
    const left = (this.left[tx] as number) - 1;
    this.left[tx] = left;
    return left;
  }

  #grow(): void {
    const room = 2 * this.state.length;
    const old = { ...this };
    this.startedMs = new Float64Array(room);
    this.startedMs.set(old.startedMs);
    this.state = new Uint8Array(room);
    this.state.set(old.state);
    this.left = new Uint8Array(room);
    this.left.set(old.left);
    this.shard = new Int32Array(room);
    this.shard.set(old.shard);
    this.process = new Int32Array(room * this.#branches);
    this.process.set(old.process);
  }
}
