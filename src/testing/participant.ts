/** A participant that can be ended as kill -9 ends a process, and started again on its journal. */

import type { Txid } from '../core/txid.ts';
import { MemoryJournalStore, openMemoryJournal } from '../journal/memory/journal.ts';
import type { ParticipantCrashPoint } from '../participant/crash-points.ts';
import type { ServeBaseOptions } from '../participant/options.ts';
import type { ParticipantHandle } from '../participant/serve.ts';
import type { Clock } from '../ports/clock.ts';
import type { Resource } from '../ports/resource.ts';
import { systemRandom } from '../system/random.ts';
import type { TestOptions } from './coordinator.ts';
import { Life, mortal, mortalClock } from './mortal.ts';
import { type Accept, inProcessDialer } from './wire.ts';

/**
 * Starts the participant under test: `(verdict) => serveParticipant({ ...inventory, ...verdict })`.
 * `crashed` fires when this start of it is over without a close, to let go of what only a process's
 * end would: a pool, a file.
 */
export type StartParticipant<Handle extends Pick<ParticipantHandle, 'close'>> = (
  verdict: TestOptions,
  crashed: AbortSignal,
) => Promise<Handle>;

export interface TestParticipantOptions {
  readonly clock: Clock;
  readonly urls: readonly string[];
  readonly accept: () => Accept | null;
  readonly reached: (participant: string, point: ParticipantCrashPoint) => void;
}

/** Made by `coordinator.participant`. */
export class TestParticipant<Handle extends Pick<ParticipantHandle, 'close'> = ParticipantHandle> {
  readonly #given: TestParticipantOptions;
  readonly #start: StartParticipant<Handle>;
  readonly #journal = new MemoryJournalStore();
  #life = new Life();
  #handle: Handle | null = null;

  /** @internal */
  constructor(given: TestParticipantOptions, start: StartParticipant<Handle>) {
    this.#given = given;
    this.#start = start;
    this.#life.end();
  }

  /** What the start function returned last. Throws while it is down. */
  get handle(): Handle {
    if (this.#handle === null) throw new Error('It is down: call restart().');
    return this.#handle;
  }

  /** False: it crashed, and was not started again. */
  get isUp(): boolean {
    return this.#handle !== null;
  }

  /**
   * Ends it at once, as kill -9 ends a process: nothing of it is sent, written or called any more,
   * and its journal stays as it is. What the service itself has under way at that moment, such as a
   * query, goes on, for the process does.
   */
  crash(): void {
    this.#life.end();
    this.#journal.crash();
    this.#handle = null;
  }

  /** Calls the start function again, on the same journal. Crashes it first where it runs. */
  async restart(): Promise<Handle> {
    this.crash();
    const life = new Life();
    this.#life = life;
    const crashed = new AbortController();
    life.atEnd(() => crashed.abort(new Error('The participant crashed.')));
    const handle = await this.#start(this.#options(life), crashed.signal);
    // It may have crashed as it took up what its journal held.
    if (!life.isOver) this.#handle = handle;
    return handle;
  }

  /** @internal A vote of it waits for its outcome. */
  holds(txid: Txid): boolean {
    const handle = this.#handle as Partial<ParticipantHandle> | null;
    return handle?.inDoubt?.().some((branch) => branch.txid === txid) === true;
  }

  /** @internal For as long as the coordinator. */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close({ timeoutMs: 0 });
    this.#life.end();
    this.#journal.crash();
  }

  #options(life: Life): TestOptions {
    const { accept, reached, urls } = this.#given;
    let name = '';
    const clock = mortalClock(this.#given.clock, life);
    const journal = openMemoryJournal({ store: this.#journal, clock, random: systemRandom });
    const hidden = {
      dataDirectory: undefined,
      journal: mortal(journal, life, journalMethods),
      clock,
      dialer: inProcessDialer(accept, life),
      reached: (point: ParticipantCrashPoint) => {
        if (!life.isOver) reached(name, point);
      },
      behind: (resource: Resource, served: string) => {
        name = served;
        return mortal(resource, life, resourceMethods);
      },
    } satisfies { [Name in keyof ServeBaseOptions]?: unknown };
    return Object.assign({ urls }, hidden);
  }
}

/** All that writes, or waits for what is written. */
const journalMethods = [
  'load',
  'find',
  'vote',
  'voteKept',
  'committed',
  'tombstone',
  'forget',
  'bind',
  'rebind',
  'started',
  'forgetReadonly',
  'adoptEpoch',
  'sweep',
] as const;
const resourceMethods = ['prepare', 'commit', 'rollback', 'inDoubt', 'begin', 'forgotten'] as const;
