import { type Retired, RetiredSet } from '../core/retired.ts';
import { Listeners } from './listeners.ts';

/** What was retired, for everyone in this process who wants to hear of it. */
export class RetiredBoard extends Listeners<Retired> {
  readonly known: RetiredSet = new RetiredSet();

  publish(all: readonly Retired[]): void {
    for (const retired of all) {
      if (this.known.has(retired)) continue;
      this.tell(retired);
      // After all have heard: where one could not be told, all hear of it again.
      this.known.add(retired);
    }
  }
}
