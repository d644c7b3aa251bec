import type { LeaderInfo } from '../core/messages.ts';
import { Listeners } from './listeners.ts';

/** Who leads which shard, for everyone in this process who wants to hear of changes. */
export class LeaderBoard extends Listeners<readonly (LeaderInfo | null)[]> {
  #leaders: readonly (LeaderInfo | null)[];

  constructor(shards: number) {
    super();
    this.#leaders = Array.from({ length: shards }, () => null);
  }

  leaders(): readonly (LeaderInfo | null)[] {
    return this.#leaders;
  }

  publish(shard: number, leader: LeaderInfo | null): void {
    if (this.#leaders[shard]?.epoch === leader?.epoch) return;
    this.#leaders = this.#leaders.with(shard, leader);
    this.tell(this.#leaders);
  }
}
