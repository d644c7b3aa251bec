/**
 * The smallest resource that keeps the contract, as someone would write their own: values on a
 * "disk" that outlives it, and locks. `fault` breaks one of its promises.
 */
import type { HeldBranch, PrepareCall, PrepareResult } from '../../../src/participant.ts';
import { vote } from '../../../src/participant.ts';
import { CrashedError } from '../../../src/testing.ts';

type Ref = { readonly txid: string; readonly branch: string };
type Payload = { readonly writes: Readonly<Record<string, string>>; readonly refuse?: boolean };
export type ShelfDisk = Map<string, unknown>;
export type ShelfFault =
  | 'visible before the commit'
  | 'not on disk before the vote'
  | 'locks forgotten in a crash'
  | 'locks kept after a vote to abort'
  | 'locks kept after a rollback'
  | 'a repeated commit writes again'
  | 'a commit of nothing writes its payload'
  | 'a rollback ends other branches';

interface Prepared extends Ref {
  readonly writes: Readonly<Record<string, string>>;
}

export function openShelf(disk: ShelfDisk, fault?: ShelfFault): Shelf {
  return new Shelf(disk, fault);
}

export class Shelf {
  readonly #disk: ShelfDisk;
  readonly #fault: ShelfFault | undefined;
  readonly #prepared: Map<string, Prepared>;
  readonly #locks = new Map<string, string>();
  readonly #waiting = new Set<() => void>();
  readonly #crash = new AbortController();

  constructor(disk: ShelfDisk, fault: ShelfFault | undefined) {
    this.#disk = disk;
    this.#fault = fault;
    const prepared = disk.get('prepared') ?? new Map<string, Prepared>();
    this.#prepared = new Map(prepared as Map<string, Prepared>);
    if (fault === 'locks forgotten in a crash') return;
    for (const [id, { writes }] of this.#prepared) {
      for (const key of Object.keys(writes)) this.#locks.set(key, id);
    }
  }

  read(key: string): string | null {
    return (this.#disk.get(`value ${key}`) as string | undefined) ?? null;
  }

  crash(): void {
    this.#crash.abort(new CrashedError('The shelf fell.'));
    this.#wake();
  }

  async prepare({
    txid,
    branch,
    payload,
    signal,
  }: PrepareCall<unknown>): Promise<PrepareResult<unknown>> {
    const { writes, refuse } = payload as Payload;
    const id = `${txid} ${branch}`;
    try {
      for (const key of Object.keys(writes).sort()) await this.#lock(key, id, signal);
    } catch (error) {
      this.#unlock(id);
      throw error;
    }
    if (refuse === true) {
      if (this.#fault !== 'locks kept after a vote to abort') this.#unlock(id);
      return vote.abort('Refused.');
    }
    this.#prepared.set(id, { txid, branch, writes });
    if (this.#fault === 'visible before the commit') this.#write(writes);
    if (this.#fault !== 'not on disk before the vote') this.#flush();
    return vote.commit();
  }

  async commit({ txid, branch, payload }: Ref & { readonly payload: unknown }): Promise<void> {
    this.#crash.signal.throwIfAborted();
    const id = `${txid} ${branch}`;
    const { writes } = this.#prepared.get(id) ?? {};
    if (writes !== undefined) this.#write(writes);
    else if (this.#writesAnyhow(id) && payload !== undefined) {
      this.#write((payload as Payload).writes);
    }
    if (writes !== undefined) this.#disk.set(`committed ${id}`, true);
    this.#end(id);
  }

  async rollback({ txid, branch }: Ref): Promise<void> {
    this.#crash.signal.throwIfAborted();
    const id = `${txid} ${branch}`;
    if (this.#fault === 'locks kept after a rollback') {
      this.#prepared.delete(id);
      this.#flush();
    } else if (this.#fault === 'a rollback ends other branches') {
      for (const other of [...this.#prepared.keys()]) if (other.endsWith(branch)) this.#end(other);
    } else this.#end(id);
  }

  async inDoubt(): Promise<readonly HeldBranch[]> {
    return [...this.#prepared.values()].map(({ txid, branch }) => ({ txid, branch }));
  }

  #writesAnyhow(id: string): boolean {
    const wasCommitted = this.#disk.has(`committed ${id}`);
    return this.#fault === 'a repeated commit writes again'
      ? wasCommitted
      : this.#fault === 'a commit of nothing writes its payload' && !wasCommitted;
  }

  async #lock(key: string, id: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#crash.signal.throwIfAborted();
      signal.throwIfAborted();
      if ((this.#locks.get(key) ?? id) === id) break;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    }
    this.#locks.set(key, id);
  }

  #end(id: string): void {
    this.#prepared.delete(id);
    this.#flush();
    this.#unlock(id);
  }

  #unlock(id: string): void {
    for (const [key, holder] of this.#locks) if (holder === id) this.#locks.delete(key);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #write(writes: Readonly<Record<string, string>>): void {
    for (const [key, value] of Object.entries(writes)) this.#disk.set(`value ${key}`, value);
  }

  #flush(): void {
    this.#disk.set('prepared', new Map(this.#prepared));
  }
}
