/**
 * What was retired, and what was given to another identity, at every node.
 *
 * - `retirements` is written with each: its revision says, in the reading of every second and at
 *   every hint, whether there is more to read. So a watch that was cut costs a second.
 * - Each node tells in its entry among the nodes up to where everyone in it has heard. Who retires
 *   waits until all entries are that far. A node whose lease has ended has no entry and is not
 *   waited for: it leads nothing, and what it tells a participant comes from a reading that shows
 *   who is retired (`reading.ts`).
 * - The interleaving that matters: a node that starts just now. Either its entry is there when the
 *   others' are looked at, and it is waited for, or the node reads after that.
 */
import type { Retired } from '../../core/retired.ts';
import { thrownLine, thrownText } from '../../core/thrown.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import type { ReboundBoard, RetiredBoard } from '../boards.ts';
import { assertMayRetire } from '../state.ts';
import { type KeyRange, keyAfter } from './keys.ts';
import { maxNodes } from './leaders.ts';
import { decodeNode, decodeRebound, decodeRetired, encodeRetired } from './records.ts';
import {
  absent,
  allFound,
  found,
  get,
  getRange,
  type KeyValue,
  modIs,
  type Op,
  put,
  remove,
} from './requests.ts';
import { type EtcdStore, patienceMs } from './store.ts';
import { Turns } from './turns.ts';

const maxPage = 10_000;

export interface RetirementsOptions {
  readonly store: EtcdStore;
  readonly board: RetiredBoard;
  readonly rebound: ReboundBoard;
  /** A node that does not answer is gone after that. */
  readonly leaseTtlMs: number;
  readonly heard: () => void;
}

export class Retirements {
  readonly #options: RetirementsOptions;
  readonly #readings: Turns<readonly Retired[]> = new Turns(() => this.#read());
  readonly #hearings: Turns<void> = new Turns(() => this.#waitForAll());
  #heardTo = 0n;
  /** The highest that a reading is under way for. */
  #wanted = 0n;
  /** The highest that this node has written. */
  #toBeHeard = 0n;

  constructor(options: RetirementsOptions) {
    this.#options = options;
  }

  /** The revision up to which everyone in this node has heard. */
  get heardTo(): string {
    return String(this.#heardTo);
  }

  /** All that was written up to that revision of `retirements` is known here. */
  hasHeard(revision: string): boolean {
    return BigInt(revision) <= this.#heardTo;
  }

  learn(): Promise<readonly Retired[]> {
    return this.#readings.next();
  }

  seen(retirements: KeyValue | null): void {
    const revision = BigInt(retirements?.mod_revision ?? '0');
    if (revision <= this.#heardTo || revision <= this.#wanted) return;
    this.#wanted = revision;
    this.learn().catch((error: unknown) => {
      // The next reading of the leaders comes here again.
      this.#wanted = this.#heardTo;
      this.#options.store.logger.warn(
        { error: thrownLine(error) },
        'What was retired or rebound could not be read.',
      );
    });
  }

  async retire(retired: Retired): Promise<void> {
    const { store, board } = this.#options;
    const { keys } = store;
    assertMayRetire(board.known, retired);
    const written = [
      put(keys.retiredOne(retired), encodeRetired(retired)),
      put(keys.retirements, Buffer.of()),
    ];
    const revision = await this.#writeAndFree(retired, written).catch((cause: unknown) => {
      store.ended.throwIfAborted();
      const text = `It may be retired or not: retire again. ${thrownText(cause)}`;
      throw new DecisionLogError(text, { cause });
    });
    await this.heardByAll(revision);
  }

  /** Its binding goes in the same transaction: no one can be bound to it any more (bindings.ts). */
  async #writeAndFree(retired: Retired, written: readonly Op[]): Promise<string> {
    const { store } = this.#options;
    const { keys } = store;
    const bound = keys.boundOne(retired);
    for (;;) {
      const { responses } = await store.insist({ success: [get(bound)] });
      const now = found(responses, 0);
      const freed =
        now === null
          ? []
          : [remove(bound), remove(keys.heldOne(retired, decodeRebound(now.value).identity))];
      const { succeeded, header } = await store.insist({
        compare: [now === null ? absent(bound) : modIs(bound, now.mod_revision)],
        success: [...written, ...freed],
      });
      if (succeeded) return header.revision;
      // It was bound or rebound meanwhile, or our own first attempt is there: once more.
    }
  }

  /** Resolves when every node has heard of what was written with `retirements`. */
  async heardByAll(at: string): Promise<void> {
    await this.learn();
    const revision = BigInt(at);
    if (revision > this.#toBeHeard) this.#toBeHeard = revision;
    await this.#hearings.next();
  }

  async #read(): Promise<readonly Retired[]> {
    const { store, board, rebound, heard } = this.#options;
    const { keys } = store;
    const [first, second] = await Promise.all([
      this.#under(keys.retired),
      this.#under(keys.rebound),
    ]);
    const all = first.values.map(decodeRetired);
    board.publish(all);
    rebound.publish(second.values.map(decodeRebound));
    // What is added meanwhile may have been passed by in the one that was read first.
    const revision = first.revision < second.revision ? first.revision : second.revision;
    if (revision > this.#heardTo) {
      this.#heardTo = revision;
      heard();
    }
    return all;
  }

  async #under(
    whole: KeyRange,
  ): Promise<{ readonly values: readonly Buffer[]; readonly revision: bigint }> {
    const { store } = this.#options;
    const values: Buffer[] = [];
    let revision: bigint | null = null;
    for (let range = whole; ; ) {
      const { responses } = await store.insist({
        success: [get(store.keys.retirements), getRange(range, maxPage)],
      });
      // Of the first page: what is added meanwhile may lie before a later one.
      revision ??= BigInt(found(responses, 0)?.mod_revision ?? '0');
      const page = allFound(responses, 1);
      for (const { value } of page) values.push(value);
      const last = page.at(-1);
      if (last === undefined || page.length < maxPage) return { values, revision };
      range = { ...range, key: keyAfter(last.key) };
    }
  }

  async #waitForAll(): Promise<void> {
    const revision = this.#toBeHeard;
    const { store, leaseTtlMs } = this.#options;
    const giveUpAtMs = store.clock.monotonicMs() + leaseTtlMs + patienceMs;
    for (let asked = 1; ; asked += 1) {
      const { responses } = await store.insist({ success: [getRange(store.keys.nodes, maxNodes)] });
      const entries = allFound(responses, 0).map(({ value }) => decodeNode(value));
      const deaf = entries.filter(({ retired }) => BigInt(retired) < revision);
      if (deaf.length === 0) return;
      if (store.clock.monotonicMs() >= giveUpAtMs) {
        const names = deaf.map(({ node, url }) => `${node} at ${url}`).join(', ');
        throw new DecisionLogError(
          `It is done, but not every node has heard of it yet: ${names}. Until then that node may let in whom it should not. Look at why it does not hear, or stop it, and do it again.`,
        );
      }
      await store.pauseAfter(asked);
    }
  }
}
