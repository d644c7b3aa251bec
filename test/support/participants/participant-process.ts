/** A scripted participant in a process of its own, that can die and come back on its data. */
import { join } from 'node:path';
import type { Decision } from '../../../src/core/messages.ts';
import type { ParticipantOptions } from '../../../src/core/participant-options.ts';
import type { Txid } from '../../../src/core/txid.ts';
import { load } from '../../../src/journal/journal-rules.ts';
import type { ParticipantCrashPoint } from '../../../src/participant/crash-points.ts';
import type { ServeBaseOptions } from '../../../src/participant.ts';
import type { TlsFiles } from '../network/security.ts';
import { Child, type Exit, ofBuild, within } from '../process/child.ts';
import { type Held, readEffects, readStore, type Transfer } from './effects.ts';

/** What a branch's payload tells its participant to do. Nothing: hold it and vote commit. */
export interface Script {
  readonly vote?: 'commit' | 'abort' | 'readonly';
  readonly delayMs?: number;
  readonly retryable?: boolean;
  readonly tag?: string;
  /** Money to move; without enough of it the vote is abort. */
  readonly transfer?: Transfer;
}

export interface ParticipantProcessSettings {
  readonly name: string;
  readonly urls: readonly string[];
  /** The journal and the service's own store lie under it. */
  readonly data: string;
  readonly options?: Partial<ParticipantOptions>;
  readonly token?: string;
  readonly tls?: TlsFiles;
  /** Whether the service can say what it holds prepared. Default true. */
  readonly listsInDoubt?: boolean;
  /** Access to the decision log, for doubts that no node ends. */
  readonly decisionLog?: ServeBaseOptions['decisionLog'];
  /** As Child's. */
  readonly through?: readonly string[];
  /** By `host:port` that nodes advertise: where to dial instead. Without it: as told. */
  readonly routes?: Readonly<Record<string, string>>;
  /** Whether each end of a doubt is told, with how long it lasted. */
  readonly tellsDoubts?: boolean;
}

/** What `tellsDoubts` tells. */
export interface DoubtOver {
  readonly txid: Txid;
  readonly outcome: Decision;
  readonly doubtMs: number;
  readonly endedAtMs: number;
}

export const quickParticipant: Partial<ParticipantOptions> = {
  patienceMs: 300,
  queryTimeoutMs: 500,
  workingMs: 200,
  retryDelayMs: 20,
  maxRetryDelayMs: 200,
};

/** What one participant holds, in its store and in its journal. */
export interface ParticipantState {
  readonly participant: string;
  readonly held: readonly Held[];
  /** Journal entries that wait for an outcome. */
  readonly journalOpen: readonly string[];
}

export class ParticipantProcess {
  readonly settings: ParticipantProcessSettings;
  #child: Child | null = null;

  private constructor(settings: ParticipantProcessSettings) {
    this.settings = settings;
  }

  static async started(
    settings: ParticipantProcessSettings,
    more: { readonly build?: string } = {},
  ): Promise<ParticipantProcess> {
    const participant = new ParticipantProcess({
      ...settings,
      options: { ...quickParticipant, ...settings.options },
    });
    await participant.start(more);
    return participant;
  }

  get name(): string {
    return this.settings.name;
  }

  get child(): Child {
    if (this.#child === null) throw new Error(`${this.name} was not started.`);
    return this.#child;
  }

  get running(): boolean {
    return this.#child !== null && this.#child.exit === null;
  }

  /** Resolves when it serves; it may still be on its way to the node. */
  async start(
    more: {
      readonly crashAt?: ParticipantCrashPoint | `${ParticipantCrashPoint}:${number}`;
      /** The root of another version, for this start. */
      readonly build?: string;
    } = {},
  ): Promise<string> {
    this.#child = new Child(ofBuild('test/support/participants/participant-entry.ts', more.build), {
      args: [JSON.stringify(this.settings)],
      through: this.settings.through ?? [],
      env: { VERDICT_TEST_PARTICIPANT_CRASH_AT: more.crashAt ?? '' },
    });
    const line = await this.#child.line(/"Serving\."/);
    if (line === null) throw new Error(`${this.name} ended:\n${this.#child.lines.join('\n')}`);
    return (JSON.parse(line) as { instance: string }).instance;
  }

  /** Resolves when it is connected to the node. */
  async connected(): Promise<void> {
    await this.child.line(/"connected to a node"/);
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  kill(): Promise<Exit> {
    return this.child.kill();
  }

  async stop(): Promise<void> {
    if (this.running) await this.child.stop();
  }

  died(): Promise<Exit> {
    return within(this.child.exited, `${this.name} to die`);
  }

  /**
   * The doubts that have ended, the newest last: those of this start, and of these the last few
   * thousand.
   */
  doubts(): DoubtOver[] {
    return this.child.lines
      .filter((line) => line.includes('"Doubt over."'))
      .map((line) => JSON.parse(line) as DoubtOver);
  }

  state(): ParticipantState {
    const { data, name } = this.settings;
    const journalOpen = readStore(join(data, 'journal', 'journal.mdb'), (keys) =>
      load(keys)
        .entries.filter(({ state }) => state === 'started' || state === 'prepared')
        .map(({ txid, branch, state }) => `${txid}/${branch} ${state}`),
    );
    return { participant: name, held: readEffects(join(data, 'store')), journalOpen };
  }
}
