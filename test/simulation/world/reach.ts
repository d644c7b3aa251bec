/**
 * Which machine reaches which: cuts, each for one direction between two machines. A machine is what
 * a process runs on, named like it; etcd's members are machines too.
 */
import type { World } from './world.ts';

export class Reach {
  readonly #world: World;
  readonly #cut = new Map<string, number>();
  readonly #listeners: (() => void)[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Cuts may lie over each other: a way is open when none is left. */
  cut(from: string, to: string): void {
    const key = `${from}>${to}`;
    this.#cut.set(key, (this.#cut.get(key) ?? 0) + 1);
    this.#world.note(from, `cannot reach ${to}`);
  }

  mend(from: string, to: string): void {
    const key = `${from}>${to}`;
    const count = (this.#cut.get(key) ?? 0) - 1;
    if (count > 0) this.#cut.set(key, count);
    else if (this.#cut.delete(key)) this.#world.note(from, `reaches ${to} again`);
  }

  mendAll(): void {
    this.#cut.clear();
    this.changed();
  }

  reaches(from: string, to: string): boolean {
    return !this.#cut.has(`${from}>${to}`);
  }

  /** To be called after a round of cuts or mendings. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
