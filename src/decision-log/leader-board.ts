import type { LeaderInfo } from '../core/messages.ts';

type Listener = (leaders: readonly (LeaderInfo | null)[]) => void;

/** Who leads which shard, for everyone in this process who wants to hear of changes. */
export class LeaderBoard {
  readonly #listeners = new Set<Listener>();
  #leaders: readonly (LeaderInfo | null)[];

  constructor(shards: number) {
    this.#leaders = Array.from({ length: shards }, () => null);
  }

  leaders(): readonly (LeaderInfo | null)[] {
    return this.#leaders;
  }

  publish(shard: number, leader: LeaderInfo | null): void {
    if (this.#leaders[shard]?.epoch === leader?.epoch) return;
    this.#leaders = this.#leaders.with(shard, leader);
    // A copy: a listener may leave, or make others come, while it is told.
    for (const listener of [...this.#listeners]) listener(this.#leaders);
  }

  watch(listener: Listener): () => void {
    // A wrapper, so that one function given twice is two listeners.
    const own: Listener = (leaders) => listener(leaders);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }
}
