/**
 * A service's own part: what it holds prepared, and what it applied how often. Durable when the
 * flush is through, as `Resource` asks of it.
 *
 * Applying is idempotent only as far as that contract goes: what is held is applied and held no
 * longer. A branch that was prepared anew after its outcome would be applied twice, and show.
 */
import type { Txid } from '../../../src/core/txid.ts';
import {
  BranchEndedError,
  type BranchRef,
  type EndCall,
  type HeldBranch,
  type PrepareCall,
  type PrepareResult,
  type Resource,
} from '../../../src/ports/resource.ts';
import type { SimProcess } from '../world/process.ts';

export interface Holding {
  readonly txid: Txid;
  readonly branch: string;
  readonly tag: string;
  held: boolean;
  applied: number;
  /** The instance under which it was prepared last. */
  by: string;
  /**
   * That it was committed is kept beside what was committed, where siblings work on one store; and
   * whether a sibling of the one that voted was told to, whoever of them was first.
   */
  record: 'own' | 'sibling' | null;
}

/** What a branch's payload tells the service to do. */
export interface Script {
  readonly tag: string;
  readonly vote: 'commit' | 'abort' | 'readonly' | 'throw';
  readonly delayMs: number;
}

export interface ApplicationWatcher {
  applied(participant: string, holding: Holding): void;
  /** The store says from now on that this machine was told to commit what another had voted for. */
  noted(participant: string, holding: Holding): void;
  rolledBack(participant: string, holding: Holding): void;
}

export interface ApplicationOptions {
  readonly process: SimProcess;
  readonly participant: string;
  readonly store: Map<string, Holding>;
  /** Of the journal. */
  readonly instance: string;
  /** Where instances with journals of their own work on this store: its name. */
  readonly identity: string | null;
  /** See `Resource.keepsVotes`. */
  readonly keeps: boolean;
  readonly flushMs: () => number;
  /** A commit or rollback that throws the first time. */
  readonly fails: () => boolean;
  readonly watcher: ApplicationWatcher;
  /** Told as it begins to prepare. */
  readonly prepares: () => void;
  /** Whether it can list what it holds. */
  readonly lists: boolean;
}

/** Made as its flush is through, or refused by what is there by then. */
type Change = () => Error | null;

/** As long as tombstones. */
const recordMs = 50_000;

export class SimApplication implements Resource {
  readonly inDoubt?: () => HeldBranch[];
  readonly identity?: string;
  readonly keepsVotes: boolean;
  readonly #with: ApplicationOptions;
  /** Settled at the death of the process: on the disk, or not. */
  readonly #underWay = new Set<Change>();
  /** What it does for branches that it has enlisted. */
  readonly #working = new Map<string, { rolledBack: boolean }>();

  constructor(options: ApplicationOptions) {
    this.#with = options;
    this.keepsVotes = options.keeps;
    const { identity, instance } = options;
    if (identity !== null) this.identity = identity;
    if (options.lists) {
      this.inDoubt = () =>
        [...options.store.values()]
          .filter(({ held }) => held)
          .map(({ txid, branch, by }) => ({
            txid,
            branch,
            ...(identity === null ? {} : { mine: by === instance }),
          }));
    }
  }

  async prepare(call: PrepareCall<unknown>): Promise<PrepareResult<unknown>> {
    const { tag, vote, delayMs } = call.payload as Script;
    const { process, prepares } = this.#with;
    prepares();
    if (delayMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = process.clock.setTimer(delayMs, resolve);
        call.signal.addEventListener('abort', () => {
          timer.cancel();
          resolve();
        });
      });
    }
    // After these two nothing may be held, and neither commit nor rollback follows.
    if (vote === 'abort' || vote === 'readonly') await this.#letGo(call);
    if (vote === 'abort') {
      return { vote, reason: { code: 'VOTED_ABORT', message: 'The script says so.' } };
    }
    if (vote === 'readonly') return { vote, result: { tag } };
    await this.#flush(() => this.#hold(call, tag));
    if (vote === 'throw') throw new Error('The script says so.');
    return { vote, result: { tag } };
  }

  /**
   * For a branch that it has enlisted by itself, ahead of its prepare. A rollback that comes
   * meanwhile ends it.
   */
  async work(ref: BranchRef, tag: string): Promise<void> {
    const key = `${ref.txid}/${ref.branch}`;
    const work = { rolledBack: false };
    this.#working.set(key, work);
    await this.#flush(() => (work.rolledBack ? null : this.#hold(ref, tag)));
    this.#working.delete(key);
    if (work.rolledBack) throw new Error('It was rolled back meanwhile.');
  }

  /** What it may hold because it had enlisted itself. */
  async #letGo({ txid, branch }: BranchRef): Promise<void> {
    const holding = this.#with.store.get(`${txid}/${branch}`);
    if (holding?.held !== true || !this.#isOwn(holding)) return;
    await this.#flush(() => {
      holding.held = false;
      return null;
    });
  }

  /** Of a store with one owner everything is: it knows no instances. */
  #isOwn({ by }: Holding): boolean {
    const { identity, instance } = this.#with;
    return identity === null || by === instance;
  }

  #hold({ txid, branch }: BranchRef, tag: string): Error | null {
    const { store, instance } = this.#with;
    const key = `${txid}/${branch}`;
    const before = store.get(key);
    if (before === undefined) {
      store.set(key, { txid, branch, tag, held: true, applied: 0, by: instance, record: null });
      return null;
    }
    if (before.record !== null || (before.held && !this.#isOwn(before))) {
      return new Error('Another instance has it.');
    }
    before.held = true;
    before.by = instance;
    return null;
  }

  async commit({ txid, branch, takenOver }: EndCall<unknown>): Promise<void> {
    const { store, participant, watcher, fails, identity } = this.#with;
    if (fails()) throw new Error('Not now.');
    await this.#flush(() => {
      const holding = store.get(`${txid}/${branch}`);
      const isHeld = holding?.held === true;
      if (identity !== null && !isHeld && (holding?.record ?? null) === null) {
        return new BranchEndedError('nothing', 'It holds nothing of it.');
      }
      if (holding === undefined) return null;
      if (identity !== null && isHeld) holding.record = 'own';
      if (isHeld) {
        holding.held = false;
        holding.applied += 1;
        watcher.applied(participant, holding);
      }
      if (identity !== null && takenOver === true) {
        holding.record = 'sibling';
        watcher.noted(participant, holding);
      }
      return null;
    });
  }

  async rollback({ txid, branch, takenOver }: EndCall<unknown>): Promise<void> {
    const { store, participant, watcher, fails } = this.#with;
    if (fails()) throw new Error('Not now.');
    const key = `${txid}/${branch}`;
    const work = this.#working.get(key);
    if (work !== undefined) work.rolledBack = true;
    await this.#flush(() => {
      const holding = store.get(key);
      if (holding === undefined) return null;
      if (holding.record !== null) {
        const found = holding.record === 'own' ? 'committed' : 'committed-by-sibling';
        return new BranchEndedError(found, 'It is committed.');
      }
      if (!holding.held) return null;
      // (!) After a prepare that found a sibling at it: that one may have voted, on its next
      // connection, and be committed.
      if (takenOver !== true && !this.#isOwn(holding)) return null;
      holding.held = false;
      watcher.rolledBack(participant, holding);
      return null;
    });
  }

  /**
   * Its record stays for a while: a sibling that stood still may have a prepare of it unread, and
   * knows nothing of its end.
   */
  forgotten({ txid, branch }: BranchRef): void {
    const { store, process } = this.#with;
    const holding = store.get(`${txid}/${branch}`);
    if (holding === undefined || holding.record === null) return;
    process.world.after(recordMs, () => {
      holding.record = null;
    });
  }

  /** Of each change under way it is open whether it had reached the disk. */
  died(): void {
    const { world } = this.#with.process;
    for (const change of this.#underWay) if (world.chance.happens(0.5)) change();
    this.#underWay.clear();
  }

  #flush(change: Change): Promise<void> {
    const { process, flushMs } = this.#with;
    return new Promise((resolve, reject) => {
      if (!process.effect()) return;
      this.#underWay.add(change);
      process.world.after(flushMs(), () => {
        if (!this.#underWay.delete(change)) return;
        const refusal = change();
        process.io(0, refusal === null ? resolve : () => reject(refusal));
      });
    });
  }
}
