/**
 * Feeds one branch's machine, one event at a time.
 *
 * Events from outside pass through an inbox: before the first, and in a shared resource before each, the
 * journal is asked what it knows of the branch. Results of the application and the journal, and
 * timers, are stepped at once.
 */
import {
  type BranchContext,
  type BranchIdentity,
  type BranchStep,
  type Found,
  type LocalBranch,
  type LocalEvent,
  stepBranch,
  unknownBranch,
} from '../core/branch/branch.ts';
import type { PrepareRun } from './application.ts';

export interface RunnerWorld {
  /** Other processes may write to the journal. */
  readonly shared: boolean;
  context(runner: BranchRunner): BranchContext;
  find(identity: BranchIdentity): Promise<Found | null>;
  /** True: the journal certainly has nothing about the branch, and need not be asked. */
  isUnwritten(identity: BranchIdentity): boolean;
  /** False for an event of a connection that closed while it waited: it is dropped (8.4). */
  stillCounts(event: LocalEvent): boolean;
  carryOut(runner: BranchRunner, step: BranchStep): void;
  /** The inbox is empty and the machine waits for nothing but events. */
  idle(runner: BranchRunner): void;
  failed(error: unknown): void;
}

export class BranchRunner {
  readonly identity: BranchIdentity;
  readonly #world: RunnerWorld;
  #state: LocalBranch;
  #looked = false;
  #draining = false;
  readonly #inbox: LocalEvent[] = [];
  /** The application's prepare, while it runs. */
  prepareRun: PrepareRun | null = null;
  /** Calls of enlist that wait to be told. */
  enlisting: ((refusal: string | null) => void)[] = [];

  constructor(identity: BranchIdentity, world: RunnerWorld) {
    this.identity = identity;
    this.#world = world;
    this.#state = unknownBranch(identity);
  }

  get state(): LocalBranch {
    return this.#state;
  }

  get busy(): boolean {
    return this.#draining;
  }

  /** What the journal held on start: known without asking. */
  load(found: Found): void {
    this.#looked = true;
    this.step({ type: 'journal', found });
  }

  /** An event from outside. */
  receive(event: LocalEvent): void {
    if (!this.#draining && !this.#world.shared) {
      // Nothing known is what the machine begins with.
      this.#looked ||= this.#world.isUnwritten(this.identity);
      if (this.#looked) {
        this.step(event);
        return;
      }
    }
    this.#inbox.push(event);
    if (!this.#draining) void this.#drain();
  }

  /** An event of this process itself: a result, or a timer. */
  step(event: LocalEvent): void {
    const step = stepBranch(this.#state, event, this.#world.context(this));
    this.#state = step.branch;
    this.#world.carryOut(this, step);
    if (!this.#draining) this.#world.idle(this);
  }

  settleEnlisting(refusal: string | null): void {
    const waiting = this.enlisting;
    this.enlisting = [];
    for (const tell of waiting) tell(refusal);
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    try {
      for (let event = this.#inbox[0]; event !== undefined; event = this.#inbox[0]) {
        if (!this.#looked || this.#world.shared) {
          const before = this.#state;
          const found = await this.#world.find(this.identity);
          // A result came in between: what was read may be older than it.
          if (this.#state !== before) continue;
          this.#looked = true;
          this.step({ type: 'journal', found });
        }
        this.#inbox.shift();
        if (this.#world.stillCounts(event)) this.step(event);
      }
    } catch (error) {
      this.#inbox.length = 0;
      this.#world.failed(error);
    } finally {
      this.#draining = false;
    }
    this.#world.idle(this);
  }
}
