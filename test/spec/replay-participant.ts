/**
 * A participant of the specification beside the production branch machine and the production
 * journal's rules. The application does at once what it is told, but for its prepare, which ends
 * when the specification says.
 */
import {
  type BranchStep,
  type LocalBranch,
  type LocalEffect,
  type LocalEvent,
  type LocalState,
  stepBranch,
  unknownBranch,
} from '../../src/core/branch/branch.ts';
import { type Epoch, epochZero, type Txid } from '../../src/core/txid.ts';
import { MemoryJournalStore, openMemoryJournal } from '../../src/journal/memory/journal.ts';
import { eventOfOutcome, eventOfVote } from '../../src/participant/journal-entries.ts';
import type { Journal, JournalEntry } from '../../src/ports/journal.ts';
import { ManualClock } from '../support/samples/manual-clock.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { numberOf } from './spelling.ts';

export class ReplayedParticipant {
  readonly #name: string;
  readonly #store = new MemoryJournalStore();
  readonly #clock = new ManualClock();
  #journal: Journal;
  readonly #branches = new Map<Txid, LocalBranch>();
  #known: Epoch = epochZero;
  #said = new Set<string>();

  constructor(name: string) {
    this.#name = name;
    this.#journal = this.#open();
  }

  get known(): Epoch {
    return this.#known;
  }

  /**
   * `kind participant txid nonce`, since the last call. Refused commands are not answered in the
   * specification.
   */
  drain(): Set<string> {
    const said = this.#said;
    this.#said = new Set();
    return said;
  }

  state(txid: Txid): LocalState {
    return this.#branches.get(txid)?.state ?? 'unknown';
  }

  async entry(txid: Txid): Promise<JournalEntry | null> {
    return this.#journal.find({ txid, branch: this.#name });
  }

  async step(txid: Txid, event: LocalEvent): Promise<void> {
    const before = this.#branches.get(txid) ?? unknownBranch({ txid, branch: this.#name });
    const context = {
      knownEpoch: this.#known,
      shared: false,
      siblings: false,
      recordsStart: false,
      keepsVotes: false,
    };
    const step: BranchStep = stepBranch(before, event, context);
    this.#branches.set(txid, step.branch);
    for (const effect of step.effects) await this.#carryOut(txid, effect);
  }

  /** 8.4, 8.8: the epoch is durable, then tombstones of older ones go. */
  async adopt(epoch: Epoch): Promise<void> {
    this.#known = await this.#journal.adoptEpoch(0, epoch);
    await this.#journal.sweep({ beforeMs: 0, limit: 1_000 });
    for (const [txid, { state }] of this.#branches) {
      if ((state === 'gone' || state === 'forgotten') && (await this.entry(txid)) === null)
        this.#branches.delete(txid);
    }
  }

  /** Only what the journal holds is left. */
  async restart(): Promise<void> {
    this.#store.crash();
    this.#journal = this.#open();
    const { epochs } = await this.#journal.load();
    this.#known = epochs.get(0) ?? epochZero;
    const txids = [...this.#branches.keys()];
    this.#branches.clear();
    for (const txid of txids) {
      const found = await this.entry(txid);
      await this.step(txid, { type: 'journal', found });
    }
  }

  #open(): Journal {
    return openMemoryJournal({
      store: this.#store,
      clock: this.#clock,
      random: seededRandom(),
    });
  }

  async #carryOut(txid: Txid, effect: LocalEffect): Promise<void> {
    const key = { txid, branch: this.#name };
    switch (effect.type) {
      case 'call-commit':
        return this.step(txid, { type: 'application-committed' });
      case 'call-rollback':
        return this.step(txid, { type: 'application-rolled-back' });
      case 'interrupt-prepare':
        return this.step(txid, {
          type: 'application-prepared',
          prepared: { vote: 'commit', result: undefined },
        });
      case 'write-vote': {
        const { state, epoch, witness, payload } = effect;
        const written = await this.#journal.vote({
          ...key,
          state,
          epoch,
          witness,
          payload,
          atMs: 0,
        });
        if (written.kind === 'written' && epoch > this.#known) this.#known = epoch;
        return this.step(txid, eventOfVote(written));
      }
      case 'write-committed':
        return this.step(txid, eventOfOutcome(await this.#journal.committed(key)));
      case 'write-tombstone':
        return this.step(txid, eventOfOutcome(await this.#journal.tombstone(key)));
      case 'write-forget': {
        // Lazy: it waits a while for the company of another write.
        const forgotten = this.#journal.forget([txid]);
        await this.#clock.advance(1_000);
        return forgotten;
      }
      case 'send': {
        const { message, to } = effect;
        const what = message.type === 'vote' ? message.vote : message.decision;
        if (message.type === 'ack' && !message.ok) return;
        this.#said.add(`${message.type} ${what} ${this.#name} ${numberOf(txid)} ${to}`);
        return;
      }
      case 'alarm':
      case 'call-prepare':
      case 'enlist-settled':
      case 'query':
      case 'start-timer':
      case 'stop-timer':
        return;
    }
  }
}
