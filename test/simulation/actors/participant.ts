/**
 * A participant on its machine: the production SDK, with a journal and an application that outlive
 * its process.
 */

import type { ParticipantOptions } from '../../../src/core/participant-options.ts';
import type { Txid } from '../../../src/core/txid.ts';
import { openEtcdReader } from '../../../src/decision-log/etcd/reader.ts';
import { agreeOnInstance } from '../../../src/journal/instance.ts';
import { LocalJournal } from '../../../src/journal/local-journal.ts';
import type { ParticipantAlarm, ServeBaseOptions } from '../../../src/participant/options.ts';
import { Participant } from '../../../src/participant/participant.ts';
import type { KeptVote } from '../../../src/ports/journal.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { MemoryKeys } from '../../../src/store/memory-keys.ts';
import type { SimEtcd } from '../etcd/server.ts';
import type { Member } from '../fleet.ts';
import type { Network } from '../world/network.ts';
import type { SimProcess } from '../world/process.ts';
import {
  type ApplicationWatcher,
  type Holding,
  type Script,
  SimApplication,
} from './application.ts';
import { type Disk, type KeyChange, SimJournalStore } from './durable.ts';
import { Machine, type MachineOptions } from './machine.ts';

export interface ParticipantMachineOptions extends MachineOptions {
  readonly member: Member;
  readonly network: Network;
  readonly etcd: SimEtcd;
  readonly disk: Disk;
  readonly urls: readonly string[];
  /** Of each start. */
  readonly settings: (start: number) => Partial<ParticipantOptions>;
  readonly lists: boolean;
  /** Its access to etcd: none, to read, or to force aborts too. */
  readonly direct: 'none' | 'read' | 'resolve';
  readonly fails: () => boolean;
  readonly watcher: ApplicationWatcher & {
    journaled(participant: string, changes: readonly KeyChange[]): void;
    /** A vote that its store keeps counts from now on. */
    kept(participant: string, vote: KeptVote): void;
    alarmed(participant: string, alarm: ParticipantAlarm): void;
  };
}

export class ParticipantMachine extends Machine<ParticipantMachineOptions> {
  participant: Participant | null = null;
  /** Called as a vote becomes durable. */
  atNextVote: (() => void) | null = null;
  /** Called as its application begins to prepare. */
  atNextPrepare: (() => void) | null = null;
  /** It has prepared, and its vote is not written. */
  diesBeforeVote = false;
  #journal: LocalJournal | null = null;
  #store: SimJournalStore | null = null;
  #application: SimApplication | null = null;

  constructor(options: ParticipantMachineOptions) {
    super(options);
    this.retired = options.member.standsBy;
  }

  /** What transactions call it. */
  get role(): string {
    return this.options.member.participant;
  }

  get isSibling(): boolean {
    return this.store !== null;
  }

  get sharesJournal(): boolean {
    return this.options.member.sharesJournal;
  }

  get store(): string | null {
    return this.options.member.store;
  }

  get holdings(): ReadonlyMap<string, Holding> {
    return this.options.member.holdings;
  }

  /** Null before its first start. */
  get instance(): string | null {
    return this.participant?.instance ?? this.#journal?.instance ?? null;
  }

  protected override async run(process: SimProcess): Promise<void> {
    const { world, network, etcd, disk, urls, watcher, direct, member } = this.options;
    const { clock, chance } = process;
    const store = new SimJournalStore({
      process,
      keys: member.journal,
      disk,
      written: (changes) => {
        watcher.journaled(member.sharesJournal ? this.role : this.name, changes);
        if (this.atNextVote !== null && changes.some(isVote)) this.atNextVote();
      },
    });
    this.#store = store;
    const instance = agreeOnInstance(member.journal, chance);
    const options = { instance, store, clock, shared: member.sharesJournal };
    const journal = new WatchedVotes(options, (entry) => {
      watcher.kept(this.name, entry);
      this.atNextVote?.();
    });
    this.#journal = journal;
    const application = new SimApplication({
      process,
      participant: member.participant,
      store: member.holdings,
      instance,
      identity: member.store,
      keeps: member.keeps,
      flushMs: disk.flushMs,
      fails: this.options.fails,
      watcher,
      prepares: () => this.atNextPrepare?.(),
      lists: this.options.lists || member.store !== null,
    });
    this.#application = application;
    const settings: ServeBaseOptions = {
      logger: silentLogger,
      name: member.participant,
      urls,
      journal,
      ...(member.sharesJournal ? { sharedResource: `journal of ${this.role}` } : {}),
      options: this.options.settings(this.starts),
      reached: (point) => {
        if (this.diesBeforeVote && point === 'before-vote-durable') process.kill();
        this.passes(process, point);
      },
      ...(direct === 'none'
        ? {}
        : {
            decisionLog: {
              etcd: {
                endpoints: etcd.endpoints,
                cluster: 'simulated',
                resolve: direct === 'resolve',
              },
            },
          }),
      onAlarm: (alarm) => {
        if (process.alive) watcher.alarmed(this.name, alarm);
      },
      onFatal: (error) => {
        if (process.alive) world.broken(error);
      },
    };
    const participant = await Participant.start(settings, application, {
      journal,
      dialer: network.dialer(process),
      clock,
      random: chance,
      openReader:
        direct === 'none'
          ? null
          : (clusterId) =>
              openEtcdReader({
                clusterId,
                endpoints: etcd.endpoints,
                connect: (endpoint) => etcd.stub(process, endpoint),
                cluster: 'simulated',
                clock,
                random: chance,
              }),
    });
    if (process.alive) this.participant = participant;
  }

  /** Its disk is gone with the journal; what its application keeps is elsewhere. */
  loseJournal(): void {
    this.process?.kill();
    this.options.member.journal = new MemoryKeys();
  }

  /** Enlists itself, then does its work; whoever asked hears of it if this process lives. */
  work(txid: Txid, asked: { readonly branch?: string; readonly payload: Script }): Promise<void> {
    const { process, participant } = this;
    const application = this.#application;
    return new Promise((resolve, reject) => {
      process?.io(0, () => {
        if (participant === null || application === null) return;
        const { branch = this.role, payload } = asked;
        participant
          .enlist(txid, { branch, payload, timeoutMs: 1_000 })
          .then((ref) => application.work(ref, payload.tag))
          .then(resolve, reject);
      });
    });
  }

  protected override fell(process: SimProcess, options: { readonly tells: boolean }): void {
    this.participant = null;
    this.diesBeforeVote = false;
    this.#journal?.crash();
    this.#store?.died();
    this.#application?.died();
    this.options.network.died(process, options);
  }
}

class WatchedVotes extends LocalJournal {
  readonly #kept: (entry: KeptVote) => void;

  constructor(
    options: ConstructorParameters<typeof LocalJournal>[0],
    kept: (entry: KeptVote) => void,
  ) {
    super(options);
    this.#kept = kept;
  }

  override voteKept(entry: KeptVote): Promise<void> | null {
    const kept = super.voteKept(entry);
    if (kept !== null) this.#kept(entry);
    return kept;
  }
}

function isVote([, value]: KeyChange): boolean {
  return (value as { readonly state?: string } | undefined)?.state === 'prepared';
}
