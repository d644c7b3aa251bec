/** What a machine's disk holds, and what is on its way there. */
import type { JournalStore } from '../../../src/journal/local-journal.ts';
import type { DurableFiles } from '../../../src/store/durable-file.ts';
import type { ReadableKeys, WritableKeys } from '../../../src/store/key-value.ts';
import type { MemoryKeys } from '../../../src/store/memory-keys.ts';
import type { SimProcess } from '../world/process.ts';

export interface Disk {
  /** How long a flush takes. */
  flushMs(): number;
}

/** A small file, replaced whole when its flush is through. */
export function filesOf(process: SimProcess, files: Map<string, string>, disk: Disk): DurableFiles {
  return {
    read: (path) => files.get(path) ?? null,
    write: (path, text) =>
      new Promise((resolve) => {
        if (!process.effect()) return;
        process.io(disk.flushMs(), () => {
          files.set(path, text);
          resolve();
        });
      }),
  };
}

export type KeyChange = readonly [key: string, value: unknown];

/**
 * A journal's store: a transaction is on the disk when its flush is through, whole, and answered
 * after that. A crash loses what was not flushed; one that comes between the flush and its answer
 * loses nothing but the answer.
 */
export class SimJournalStore implements JournalStore {
  /** By journal: one process writes at a time, and the others wait, as LMDB has it. */
  static readonly #queues = new WeakMap<MemoryKeys, (() => void)[]>();
  readonly #process: SimProcess;
  readonly #keys: MemoryKeys;
  readonly #disk: Disk;
  readonly #written: (changes: readonly KeyChange[]) => void;
  /** One at a time: the journal gathers what comes meanwhile. */
  #underWay: Draft | null = null;

  constructor(options: {
    readonly process: SimProcess;
    readonly keys: MemoryKeys;
    readonly disk: Disk;
    /** It is durable from now on. */
    readonly written: (changes: readonly KeyChange[]) => void;
  }) {
    this.#process = options.process;
    this.#keys = options.keys;
    this.#disk = options.disk;
    this.#written = options.written;
  }

  transact(body: (keys: WritableKeys) => void): Promise<void> {
    const waiting = SimJournalStore.#queues.get(this.#keys);
    if (waiting === undefined) return this.#write(body);
    return new Promise((resolve, reject) => {
      waiting.push(() => void this.#write(body).then(resolve, reject));
    });
  }

  #write(body: (keys: WritableKeys) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const draft = new Draft(this.#keys);
      try {
        body(draft);
      } catch (error) {
        reject(error);
        this.#next();
        return;
      }
      if (!this.#process.effect()) return this.#next();
      this.#underWay = draft;
      if (!SimJournalStore.#queues.has(this.#keys)) SimJournalStore.#queues.set(this.#keys, []);
      // The disk carries on by itself, whether or not the process is stopped meanwhile.
      this.#process.world.after(this.#disk.flushMs(), () => {
        if (this.#underWay !== draft) return;
        this.#settle(draft);
        this.#next();
        this.#process.io(0, resolve);
      });
    });
  }

  /** Its process died: what was being flushed is on the disk, or is not. */
  died(): void {
    const draft = this.#underWay;
    if (draft === null) return;
    if (this.#process.world.chance.happens(0.5)) this.#settle(draft);
    this.#underWay = null;
    this.#next();
  }

  /** Whoever waits for the journal has it now. */
  #next(): void {
    const waiting = SimJournalStore.#queues.get(this.#keys);
    const first = waiting?.shift();
    if (first === undefined) SimJournalStore.#queues.delete(this.#keys);
    else first();
  }

  #settle(draft: Draft): void {
    this.#underWay = null;
    draft.apply(this.#keys);
    this.#written(draft.changes);
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    return body(this.#keys);
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}

/** Changes of one transaction over what is there. */
class Draft implements WritableKeys {
  readonly #base: ReadableKeys;
  readonly #changes = new Map<string, unknown>();
  /** In order, each of them. */
  readonly changes: KeyChange[] = [];

  constructor(base: ReadableKeys) {
    this.#base = base;
  }

  get(key: string): unknown {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#base.get(key);
  }

  range(options: {
    readonly start: string;
    readonly end: string;
    readonly limit: number;
  }): readonly (readonly [string, unknown])[] {
    const { start, end, limit } = options;
    if (this.#changes.size === 0) return this.#base.range(options);
    const all = new Map(this.#base.range({ start, end, limit: Number.POSITIVE_INFINITY }));
    for (const [key, value] of this.#changes) {
      if (key < start || key >= end) continue;
      if (value === undefined) all.delete(key);
      else all.set(key, value);
    }
    return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit);
  }

  last(options: { readonly start: string; readonly end: string }): string | null {
    return this.range({ ...options, limit: Number.POSITIVE_INFINITY }).at(-1)?.[0] ?? null;
  }

  put(key: string, value: unknown): void {
    this.#changes.set(key, value);
    this.changes.push([key, value]);
  }

  remove(key: string): void {
    this.#changes.set(key, undefined);
    this.changes.push([key, undefined]);
  }

  apply(keys: MemoryKeys): void {
    for (const [key, value] of this.#changes) {
      if (value === undefined) keys.remove(key);
      else keys.put(key, value);
    }
  }
}
