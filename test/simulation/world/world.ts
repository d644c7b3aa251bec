/**
 * One simulated world: its time, its events, its chance and its trace.
 *
 * An event is taken from the heap and run, every promise settles, and so on: `step` is the only
 * place where anything happens.
 */
import { drainMicrotasks } from './ban.ts';
import { Chance } from './chance.ts';
import { EventHeap, type Scheduled } from './heap.ts';

const maxEvents = 300_000;
/** Lines kept for whoever looks at a failure. */
const maxTrace = 200_000;

export class World {
  readonly seed: number;
  /** Latencies and other everyday chance. */
  readonly chance: Chance;
  nowMs = 0;
  events = 0;
  /** What broke first; the run ends with it. */
  violation: Error | null = null;
  /** After each event. */
  afterEvent: () => void = () => undefined;
  readonly trace: string[] | null;
  readonly #heap = new EventHeap();
  #hash = 0x811c9dc5;

  constructor(options: { readonly seed: number; readonly trace: boolean }) {
    this.seed = options.seed;
    this.trace = options.trace ? [] : null;
    this.chance = new Chance(options.seed, 'world');
  }

  /** A stream of chance of its own. */
  stream(name: string): Chance {
    return new Chance(this.seed, name);
  }

  at(atMs: number, run: () => void): Scheduled {
    return this.#heap.push(Math.max(atMs, this.nowMs), run);
  }

  after(delayMs: number, run: () => void): Scheduled {
    return this.#heap.push(this.nowMs + Math.max(0, delayMs), run);
  }

  /** False when nothing is left to happen. */
  step(): boolean {
    const event = this.#heap.pop();
    if (event === null) return false;
    const { run } = event;
    if (run === null) return true;
    if (this.events === maxEvents)
      this.broken('Too much happens: something goes round in circles.');
    event.run = null;
    this.nowMs = event.atMs;
    this.#mix(event);
    this.events += 1;
    run();
    drainMicrotasks();
    this.afterEvent();
    return true;
  }

  /** Until then, or until something broke. */
  runUntil(untilMs: number, done: () => boolean = () => false): void {
    while (this.violation === null && this.nowMs <= untilMs && !done()) {
      if (!this.step()) return;
    }
  }

  /** The first thing that broke is what is told: the rest follows from it. */
  broken(what: string | Error): void {
    if (this.violation !== null) return;
    this.violation = what instanceof Error ? what : new Error(what);
    this.note('VIOLATION', this.violation.message);
  }

  get tracing(): boolean {
    return this.trace !== null;
  }

  /** A line of the trace, where one is kept. */
  note(who: string, what: string): void {
    if (this.trace === null || this.trace.length >= maxTrace) return;
    this.trace.push(`${this.nowMs.toFixed(3).padStart(11)} ${who.padEnd(6)} ${what}`);
  }

  /** Two runs of one seed that differ in anything soon differ in what is scheduled for when. */
  #mix({ atMs, serial }: Scheduled): void {
    const hash = Math.imul(this.#hash ^ Math.floor(atMs * 1e6), 0x01000193);
    this.#hash = Math.imul(hash ^ serial, 0x01000193);
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }
}
