/**
 * A leadership is handed over in one write: the successor's, which takes the leader key by
 * comparing it with the former leader's, and so ends that leadership as it begins its own.
 *
 *   leading --a node is ready--> ending --what began before has ended--> holding --told--> handed
 *      ^                                                                   |
 *      +--------- the successor says no, or nothing in time ---------------+
 *
 * - Ending: new work is still taken, so that one slow transaction does not stop all others.
 * - Holding: new requests wait, a moment, for what is undecided; what is undecided after it is
 *   aborted as at any change of leaders. Those that wait are then told who leads.
 *
 * What may come between, and why the compare alone decides (I6, the fence):
 * - The successor dies before its write: nothing has changed, and this leader goes on.
 * - It dies after it: its lease or its refused port frees the shard, as with any leader.
 * - Its write was sent, and its answer comes too late or never: this leader goes on until a write
 *   of its own meets the fence, or it hears who leads. What it had under way is read from the log.
 * - Another node takes the key first: the compare of the one that was told fails.
 * - This leader stands still after it told: as with any deposed leader, its writes fail.
 * - What was told is told late: it names the epoch, and another epoch's key compares differently.
 */
import type { LeaderInfo } from '../core/messages.ts';
import { thrownLine } from '../core/thrown.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { pause } from '../system/pause.ts';
import type { ShardDriver } from './shard-driver.ts';

export interface Successors {
  /** Which nodes would take it, asked now; who says nothing for so long is silent. */
  willing(leader: LeaderInfo, timeoutMs: number): Promise<Willing>;
  /** Resolves when that node leads the shard. Rejects where it says no, or nothing in time. */
  tell(node: string, leader: LeaderInfo): Promise<void>;
}

export interface Willing {
  readonly nodes: readonly { readonly node: string; readonly participants: number }[];
  /** Said no, and why. */
  readonly refused: readonly { readonly node: string; readonly why: string }[];
  /** Could not be asked: not reached, or of a version that does not know the question. */
  readonly silent: readonly string[];
}

export interface HandOverOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly successors: Successors;
  /** Instances of participants that are connected here. */
  readonly participants: () => number;
  /** How many shards each node leads. */
  readonly led: () => ReadonlyMap<string, number>;
}

/** What to do with one leadership. */
export interface Giving {
  /** Only to this node. */
  readonly to?: string | undefined;
  /** Only to a node that leads no more than this. */
  readonly maxLed?: number | undefined;
  /** How long what began before may go on. */
  readonly drainMs: number;
  /** How long the others have to say whether they would take it. */
  readonly askMs: number;
}

export type Given =
  | { readonly type: 'handed'; readonly to: string }
  /** It leads on. `silent`: there are nodes that might take it, and could not be asked. */
  | { readonly type: 'kept'; readonly why: string; readonly silent: boolean };

/** New requests wait so long for what is undecided: callers notice. */
const holdMs = 75;
const endingPollMs = 5;
const holdingPollMs = 1;
/** From the successor's word to this node's own knowledge of it. */
const heardMs = 500;

export class HandOver {
  readonly #options: HandOverOptions;
  /** Shards on their way to a node: several that are handed over at once go to several. */
  readonly #underWay = new Map<string, number>();

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  async give(driver: ShardDriver, { to, maxLed, drainMs, askMs }: Giving): Promise<Given> {
    const { clock, logger, successors } = this.#options;
    const { leader } = driver;
    const { nodes, refused, silent } = await successors.willing(leader, askMs);
    const fit = nodes.filter(
      ({ node }) =>
        (to === undefined || node === to) && (maxLed === undefined || this.#ledBy(node) <= maxLed),
    );
    const successor = this.#best(fit);
    if (successor === null) {
      const unheard = to === undefined ? silent.length > 0 : silent.includes(to);
      const why =
        to === undefined ? noneText(refused) : refusalText(to, { refused, silent: unheard });
      return { type: 'kept', why, silent: unheard };
    }
    const { shard, epoch } = leader;
    this.#underWay.set(successor, (this.#underWay.get(successor) ?? 0) + 1);
    try {
      const next = driver.term.nextPosition();
      const untilMs = clock.monotonicMs() + drainMs;
      const isLate = (): boolean => driver.isOver || clock.monotonicMs() >= untilMs;
      while (driver.term.undecidedFrom() < next && !isLate()) await pause(clock, endingPollMs);
      driver.holdBack();
      const heldMs = clock.monotonicMs();
      const heldUntilMs = heldMs + Math.min(drainMs, holdMs);
      while (driver.term.undecided() > 0 && clock.monotonicMs() < heldUntilMs) {
        await pause(clock, holdingPollMs);
      }
      const toldMs = clock.monotonicMs();
      await successors.tell(successor, leader);
      const tookMs = clock.monotonicMs();
      await driver.heard(heardMs);
      const timesMs = {
        undecidedMs: Math.round(toldMs - heldMs),
        takenMs: Math.round(tookMs - toldMs),
        heardMs: Math.round(clock.monotonicMs() - tookMs),
      };
      logger.info({ shard, epoch, to: successor, ...timesMs }, 'Handed the leadership over.');
      return { type: 'handed', to: successor };
    } catch (error) {
      // It took the shard after all, and its answer was lost; or another one did.
      if (driver.isOver) return { type: 'handed', to: successor };
      const why = thrownLine(error);
      logger.warn({ shard, to: successor, error: why }, 'A leadership could not be handed over.');
      return { type: 'kept', why, silent: true };
    } finally {
      this.#underWay.set(successor, (this.#underWay.get(successor) ?? 1) - 1);
    }
  }

  /** Participants come first: without them it could commit nothing. Then who leads fewest. */
  #best(nodes: Willing['nodes']): string | null {
    const wanted = this.#options.participants();
    const rank = ({ node, participants }: Willing['nodes'][number]): readonly number[] => [
      Math.max(0, wanted - participants),
      this.#ledBy(node),
    ];
    const ranked = [...nodes].sort((a, b) => {
      const [missing = 0, count = 0] = rank(a);
      const [otherMissing = 0, otherCount = 0] = rank(b);
      return missing - otherMissing || count - otherCount || (a.node < b.node ? -1 : 1);
    });
    return ranked[0]?.node ?? null;
  }

  /** With what is on its way to it. */
  #ledBy(node: string): number {
    return (this.#options.led().get(node) ?? 0) + (this.#underWay.get(node) ?? 0);
  }
}

function noneText(refused: Willing['refused']): string {
  const whys = refused.slice(0, maxRefusals).map(({ node, why }) => ` ${node}: ${sentence(why)}`);
  return `No other node is ready to take it.${whys.join('')}`;
}

/** Or the next node's name would be read as a part of a command that stands at its end. */
function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}

const maxRefusals = 3;

function refusalText(
  to: string,
  { refused, silent }: { readonly refused: Willing['refused']; readonly silent: boolean },
): string {
  const why = refused.find(({ node }) => node === to)?.why;
  if (why !== undefined) return `${to} does not take it: ${why}`;
  return silent
    ? `${to} does not take it: it could not be asked, or runs an earlier version. See whether it is up and reached from here, or name another node.`
    : `${to} does not take it: it is stopping, or not up. Name another node: verdict status shows those that are.`;
}
