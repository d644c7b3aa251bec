/**
 * A process of the simulation, from its start to its death: its clock, and the gate that everything
 * it does to the world goes through. What runs on after the death - the rest of a function, a
 * promise - reaches nothing any more, so a crash may fall between any two effects.
 *
 *     running --pause()--> paused --resume()--> running          either --kill()--> dead
 *
 * A paused process is one that was sent SIGSTOP: what comes in and what falls due waits, and time
 * goes on. One whose machine sleeps (`suspend`) finds when it wakes that its monotonic clock stood
 * still meanwhile, and its timers with it; the wall clock and the one that counts from the
 * machine's start went on.
 */
import type { Clock, Timer } from '../../../src/ports/clock.ts';
import type { Chance } from './chance.ts';
import type { Scheduled } from './heap.ts';
import type { World } from './world.ts';

export interface ProcessOptions {
  readonly world: World;
  /** Of the machine it runs on: partitions cut machines. */
  readonly name: string;
  readonly chance: Chance;
  /** How much faster than the world's its monotonic clock runs. */
  readonly rate?: number;
  readonly died: (how: 'killed' | 'ended') => void;
}

interface Held {
  readonly kind: 'timer' | 'io';
  readonly run: () => void;
}

const wallStartMs = 1_700_000_000_000;

export class SimProcess {
  readonly world: World;
  readonly name: string;
  readonly chance: Chance;
  readonly clock: Clock;
  readonly startedAtMs: number;
  alive = true;
  paused = false;
  wallOffsetMs = 0;
  pausedAtMs = 0;
  /** When it was last woken. */
  resumedAtMs: number = Number.NEGATIVE_INFINITY;
  effects = 0;
  /** How long its machine has slept since it started, until it last woke. */
  #sleptMs = 0;
  #asleepSinceMs: number | null = null;
  readonly #died: (how: 'killed' | 'ended') => void;
  #held: Held[] = [];
  /** Effects until it dies with one; 0: not doomed. */
  #doomIn = 0;
  #diesBefore = false;
  /** It has had its last effect. */
  #spent = false;

  constructor(options: ProcessOptions) {
    const { world, rate = 1 } = options;
    this.world = world;
    this.name = options.name;
    this.chance = options.chance;
    this.#died = options.died;
    this.startedAtMs = world.nowMs;
    this.clock = {
      monotonicMs: () => 1_000 + (world.nowMs - this.startedAtMs - this.#slept()) * rate,
      bootMs: () => world.nowMs * rate,
      wallMs: () => wallStartMs + Math.floor(world.nowMs + this.wallOffsetMs),
      setTimer: (delayMs, callback) => this.#setTimer(Math.max(0, delayMs) / rate, callback),
    };
  }

  /**
   * Whether it may do this to the world: asked before everything that somebody else can see, or
   * that lasts.
   */
  effect(): boolean {
    if (!this.alive) return false;
    this.effects += 1;
    if (this.#spent) {
      this.kill();
      return false;
    }
    if (this.#doomIn === 0) return true;
    this.#doomIn -= 1;
    if (this.#doomIn > 0) return true;
    if (this.#diesBefore) {
      this.kill();
      return false;
    }
    // This one still happens, and nothing after it.
    this.#spent = true;
    this.world.after(0, () => this.kill());
    return true;
  }

  /** Dies with the n-th effect from now: before it, or after it and before the next. */
  doom(effects: number, before: boolean): void {
    this.#doomIn = effects;
    this.#diesBefore = before;
  }

  /**
   * Something that comes in from outside: it waits while the process is paused, and dies with it.
   */
  io(delayMs: number, run: () => void): Scheduled {
    return this.world.after(delayMs, () => this.#take('io', run));
  }

  kill(how: 'killed' | 'ended' = 'killed'): void {
    if (!this.alive) return;
    this.alive = false;
    this.#held = [];
    this.world.note(this.name, how === 'killed' ? 'is killed' : 'ends');
    this.#died(how);
  }

  pause(): void {
    if (!this.alive || this.paused) return;
    this.paused = true;
    this.pausedAtMs = this.world.nowMs;
    this.world.note(this.name, 'is stopped');
  }

  /** Its machine falls asleep; it wakes with `resume`. */
  suspend(): void {
    if (!this.alive || this.paused) return;
    this.pause();
    this.#asleepSinceMs = this.world.nowMs;
  }

  #slept(): number {
    const since = this.#asleepSinceMs;
    return since === null ? this.#sleptMs : this.#sleptMs + this.world.nowMs - since;
  }

  /** Sockets before timers, or timers before sockets: it depends on where in its loop it stood. */
  resume(): void {
    if (!this.alive || !this.paused) return;
    this.paused = false;
    this.#sleptMs = this.#slept();
    this.#asleepSinceMs = null;
    this.resumedAtMs = this.world.nowMs;
    this.world.note(this.name, 'goes on');
    const held = this.#held;
    this.#held = [];
    const first = this.world.chance.happens(0.7) ? 'io' : 'timer';
    const ordered = [
      ...held.filter(({ kind }) => kind === first),
      ...held.filter(({ kind }) => kind !== first),
    ];
    for (const { kind, run } of ordered) this.world.after(0, () => this.#take(kind, run));
  }

  #take(kind: Held['kind'], run: () => void): void {
    if (!this.alive) return;
    if (this.paused) this.#held.push({ kind, run });
    else run();
  }

  #setTimer(delayMs: number, callback: () => void): Timer {
    if (!this.alive) return { cancel: () => undefined };
    let over = false;
    let sleptMs = this.#sleptMs;
    const ring = (): void => {
      if (over) return;
      const lateMs = this.#sleptMs - sleptMs;
      if (lateMs === 0) {
        callback();
        return;
      }
      // It stood still with the clock: what the machine has slept since it was set, less what of
      // that lay before it was due.
      sleptMs = this.#sleptMs;
      set(Math.max(0, dueMs + lateMs - this.world.nowMs));
    };
    let event: Scheduled;
    let dueMs = 0;
    const set = (inMs: number): void => {
      dueMs = this.world.nowMs + inMs;
      event = this.world.after(inMs, () => this.#take('timer', ring));
    };
    // Never early, not even by a rounding: who finds that nothing is due sets the timer again,
    // forever.
    set(delayMs + 1e-6);
    return {
      cancel: () => {
        over = true;
        event.run = null;
      },
    };
  }
}
