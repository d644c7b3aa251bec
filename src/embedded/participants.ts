/**
 * The participants of this process, each a connection to the core, and their branches.
 *
 * A name stands for one resource, whatever object is given for it: a transaction keeps the object
 * that it was registered with; what an earlier process left is finished by the latest of the name.
 */
import type { Ack, FromNode, VoteMessage } from '../core/messages.ts';
import { traceOf } from '../core/trace-context.ts';
import type { Txid } from '../core/txid.ts';
import { BranchCalls, type BranchCallsOptions } from './branch-calls.ts';
import type { EngineOptions } from './engine.ts';
import type { EmbeddedParticipant } from './participant.ts';

/** In the log's records: every object of a name is the same resource, in every process. */
export const embeddedInstance = 'embedded';

export interface NamedParticipant {
  readonly name: string;
  readonly connection: number;
  /** The latest object of the name. */
  latest: EmbeddedParticipant;
  readonly branches: Map<Txid, BranchCalls>;
}

export interface ParticipantsOptions
  extends Pick<EngineOptions, 'returns' | 'clock' | 'random' | 'options' | 'onBroken'> {
  /** Hands a message to the term of the transaction's shard; dropped where none is led here. */
  readonly deliver: (from: NamedParticipant, message: VoteMessage | Ack) => void;
}

/** Below it is the caller's. */
const connectionFirst = 1;

export class Participants {
  readonly #given: ParticipantsOptions;
  readonly #byName = new Map<string, NamedParticipant>();
  readonly #byConnection = new Map<number, NamedParticipant>();
  /** Branches with something left to do, by transaction. */
  readonly #live = new Map<Txid, number>();

  constructor(given: ParticipantsOptions) {
    this.#given = given;
  }

  all(): IterableIterator<NamedParticipant> {
    return this.#byName.values();
  }

  get(name: string): NamedParticipant | undefined {
    return this.#byName.get(name);
  }

  /** The object stands for its name from now on. */
  adopt(participant: EmbeddedParticipant): NamedParticipant {
    const { name } = participant;
    const known = this.#byName.get(name);
    if (known !== undefined) {
      known.latest = participant;
      return known;
    }
    const named: NamedParticipant = {
      name,
      connection: connectionFirst + this.#byName.size,
      latest: participant,
      branches: new Map(),
    };
    this.#byName.set(name, named);
    this.#byConnection.set(named.connection, named);
    return named;
  }

  bind(
    named: NamedParticipant,
    how: Pick<BranchCallsOptions, 'txid' | 'participant' | 'state'>,
  ): BranchCalls {
    const { txid } = how;
    this.#given.returns.list(txid, named.name);
    this.#live.set(txid, (this.#live.get(txid) ?? 0) + 1);
    const ended = (): void => this.drop(named, txid);
    const branch = new BranchCalls({ ...this.#given, ...how, named, ended });
    named.branches.set(txid, branch);
    return branch;
  }

  drop(named: NamedParticipant, txid: Txid): void {
    const branch = named.branches.get(txid);
    if (branch === undefined) return;
    branch.stop();
    named.branches.delete(txid);
    const live = (this.#live.get(txid) ?? 1) - 1;
    if (live > 0) {
      this.#live.set(txid, live);
      return;
    }
    this.#live.delete(txid);
    this.#given.returns.end(txid);
  }

  /** What a term sends to a participant. */
  receive(connection: number, message: FromNode): void {
    const named = this.#byConnection.get(connection);
    if (named === undefined) return;
    switch (message.type) {
      case 'prepare':
        return named.branches.get(message.txid)?.prepare(message.timeoutMs, traceOf(message));
      case 'commit':
      case 'rollback': {
        const { txid, type } = message;
        const branch =
          named.branches.get(txid) ??
          this.bind(named, { txid, participant: named.latest, state: 'prepared' });
        branch.belongsTo(traceOf(message));
        return branch.decide(type === 'commit' ? 'commit' : 'abort');
      }
      case 'decision': {
        // Of a vote that came too late for its term: no one sends it again.
        const { txid, decision } = message;
        if (decision !== 'commit' && decision !== 'abort') return;
        named.branches.get(txid)?.decide(decision, { alone: true });
      }
    }
  }

  /** Whether a participant has anything left to do for the transaction. */
  isLive(txid: Txid): boolean {
    return this.#live.has(txid);
  }

  /** Whether any participant's method is being called. */
  get calling(): boolean {
    for (const { branches } of this.#byName.values()) {
      for (const branch of branches.values()) if (branch.running) return true;
    }
    return false;
  }

  stop(): void {
    for (const { branches } of this.#byName.values()) {
      for (const branch of branches.values()) branch.stop();
    }
  }
}
