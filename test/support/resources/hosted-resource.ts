/** A resource in a process of its own, so that a test can end it as abruptly as kill -9 does. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type {
  BranchCall,
  HeldBranch,
  PrepareCall,
  PrepareResult,
} from '../../../src/ports/resource.ts';
import { CrashedError } from '../../../src/testing.ts';

/** What a module named to `hostResource` exports as `open`; it runs in the child. */
export type OpenHosted<Settings> = (settings: Settings) => Promise<Hosted>;

export interface Hosted {
  readonly resource: ListingResource;
  /** Further calls, by name; arguments and results are plain data. */
  readonly calls: Readonly<Record<string, (argument: never) => unknown>>;
}

/** A resource that can list what it holds, as the contract asks. */
export interface ListingResource {
  prepare(call: PrepareCall<unknown>): Promise<PrepareResult<unknown>>;
  commit(call: BranchCall<unknown>): Promise<void>;
  rollback(call: BranchCall<unknown>): Promise<void>;
  inDoubt(): Promise<readonly HeldBranch[]>;
}

export interface HostedProcess {
  readonly resource: ListingResource;
  call(name: string, argument?: unknown): Promise<unknown>;
  /** SIGKILL. Resolves when the process is gone; what was under way rejects with `CrashedError`. */
  kill(): Promise<void>;
}

export type ToHost =
  | { readonly kind: 'open'; readonly module: string; readonly settings: unknown }
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly name: string;
      readonly argument: unknown;
    }
  | { readonly kind: 'signal'; readonly id: number };

export type FromHost =
  | { readonly kind: 'open' }
  | { readonly kind: 'working'; readonly id: number }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly working: () => void;
}

const entry = fileURLToPath(new URL('./hosted-resource-entry.ts', import.meta.url));

/** `module` is the URL of a module that exports `open: OpenHosted`. */
export async function hostResource(module: string, settings: unknown): Promise<HostedProcess> {
  const child = fork(entry, {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const host = new Host(child);
  await host.open(module, settings);
  return host;
}

class Host implements HostedProcess {
  readonly resource: ListingResource;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<unknown>;
  #opened: ((error: Error | null) => void) | null = null;
  #lastId = 0;
  #gone = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
    child.on('message', (message) => this.#received(message as FromHost));
    child.on('exit', (code) => this.#ended(code));
    this.resource = {
      prepare: (call) => this.#prepare(call),
      commit: (call) => this.call('commit', { ...call }) as Promise<void>,
      rollback: (call) => this.call('rollback', { ...call }) as Promise<void>,
      inDoubt: () => this.call('inDoubt') as Promise<readonly HeldBranch[]>,
    };
  }

  open(module: string, settings: unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opened = (error) => (error === null ? resolve() : reject(error));
      this.#send({ kind: 'open', module, settings });
    });
  }

  call(name: string, argument?: unknown): Promise<unknown> {
    return this.#ask(this.#nextId(), name, argument, () => undefined);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  async #prepare(call: PrepareCall<unknown>): Promise<PrepareResult<unknown>> {
    const { signal, working, ...data } = call;
    const id = this.#nextId();
    const abort = (): void => this.#send({ kind: 'signal', id });
    signal.addEventListener('abort', abort, { once: true });
    try {
      const answer = this.#ask(id, 'prepare', data, working);
      if (signal.aborted) abort();
      return (await answer) as PrepareResult<unknown>;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #ask(id: number, name: string, argument: unknown, working: () => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#gone) return reject(new CrashedError('The process has ended.'));
      this.#waiting.set(id, { resolve, reject, working });
      this.#send({ kind: 'call', id, name, argument });
    });
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #send(message: ToHost): void {
    // A send to a process that is just ending fails; its exit tells everybody who waits.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #received(message: FromHost): void {
    if (message.kind === 'open') {
      this.#opened?.(null);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (message.kind === 'working') return waiting?.working();
    this.#waiting.delete(message.id);
    if (message.kind === 'done') waiting?.resolve(message.value);
    else waiting?.reject(new Error(message.message));
  }

  #ended(code: number | null): void {
    this.#gone = true;
    this.#opened?.(
      new CrashedError(`The process ended with ${code} while it opened the resource.`),
    );
    for (const { reject } of this.#waiting.values()) {
      reject(new CrashedError('The process ended before it answered.'));
    }
    this.#waiting.clear();
  }
}
