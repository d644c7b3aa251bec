/**
 * The decision log: the record of decisions, behind a fence.
 *
 * Implementations: `decision-log/memory`, `decision-log/embedded` (LMDB), `decision-log/etcd`. One
 * contract suite (test/contract/decision-log.ts) runs on all of them. The rules are
 * docs/PROTOCOL.md, sections 4 to 6; the words in capitals below are its invariants.
 */
import type { Claim, Rebound } from '../core/claims.ts';
import type { LogFigures } from '../core/log-figures.ts';
import type { Decision, LeaderInfo, NodeInfo, Witness } from '../core/messages.ts';
import type {
  DecideResult,
  DecisionRecord,
  DecisionWrite,
  RequestEntry,
  SettledByHand,
  Settlement,
} from '../core/records.ts';
import type { Member, Retired } from '../core/retired.ts';
import type { Epoch, Position, Txid } from '../core/txid.ts';

export type {
  DecideResult,
  DecisionRecord,
  DecisionWrite,
  RecordedBranch,
  RequestEntry,
  SettledByHand,
  Settlement,
} from '../core/records.ts';

/** What one linearizable read of the log says about a transaction. Judge it with `judge`. */
export interface LogReading {
  readonly record: {
    readonly outcome: Decision;
    readonly finished: boolean;
    readonly record: DecisionRecord | null;
    /** Where an operator spoke in the place of some of its branches. */
    readonly byHand?: readonly SettledByHand[];
  } | null;
  readonly floor: Position;
  readonly leader: LeaderInfo | null;
  /** Where the log stood at this read. */
  readonly witness: Witness;
  /** The asker was retired: nothing of this is for it. Only where the read was given an asker. */
  readonly retired?: boolean;
  /** This `resolve` wrote the abort: nothing was decided before it. */
  readonly forced?: boolean;
}

export interface LogMeta {
  readonly formatVersion: number;
  readonly cluster: string;
  /** Random, made with the log: a log of the same name has another. Journals are bound to it. */
  readonly clusterId: string;
  readonly shards: number;
  readonly requestWindowMs: number;
  readonly generation: number;
  /** The key by which a txid proves that it was given out. Made once; only nodes know it. */
  readonly txidSecret: string;
}

export interface CampaignOptions {
  readonly signal: AbortSignal;
  /**
   * The longest that this node lets pass between two ticks (default 0). What is finished between
   * two counts as finished at the later one, so that it never seems older than it is, whatever the
   * next leader's `tickMs`.
   */
  readonly tickMs?: number;
}

/** `first` to `last`, both included. */
export interface ShardRange {
  readonly first: number;
  readonly last: number;
}

/** How it stands with what keeps others from leading. */
export interface LeaseAge {
  /** Since it was last confirmed, counted from when that was asked for; null: it is not held. */
  readonly ageMs: number | null;
  /** How old it may become: then every leadership of this node ends. */
  readonly validMs: number;
}

export interface DecisionLog {
  readonly meta: LogMeta;
  /** What it counted and timed; absent: nothing. */
  readonly figures?: LogFigures | undefined;
  /** Absent: its leaderships need no lease. */
  lease?(): LeaseAge | null;
  /**
   * Waits until this node leads the shard. Rejects when `signal` aborts or the log is closed. The
   * new epoch is above every earlier one of the shard, and is durable before this resolves.
   */
  campaign(shard: number, options: CampaignOptions): Promise<Leadership>;
  /**
   * Hard evidence that the process that leads the shard under this epoch is gone: its port refuses
   * connections. A campaign of this log for the shard, waiting or begun later, takes it over
   * without waiting for the lease. Wrong evidence costs an election, never an outcome (I6, the
   * fence); while it keeps being wrong, the log waits longer and longer before it acts on it.
   */
  leaderGone(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void;
  /**
   * Weak evidence, told as often as it is met: the leader's address, where it was never reached
   * from here, refuses connections. It counts once the leader's lease was not kept alive for longer
   * than a living process lets pass.
   */
  leaderRefuses(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void;
  /**
   * The shard's leader hands it over to this node. As with `leaderGone`, only without waiting: a
   * campaign takes it by the one write that ends that leadership, compared with its key (I6, the
   * fence). It counts for a second.
   */
  leaderHandsOver(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void;
  /**
   * Linearizable. `asker`: the participant that is to be told. Whether it was retired is read in
   * the same step (!): a record that is gone may be one that counted as acknowledged because of
   * that, and its absence would say "abort" of a commit.
   */
  read(txid: Txid, asker?: Member): Promise<LogReading>;
  /**
   * Ends a doubt by force: where the transaction's epoch still leads and nothing is recorded and
   * the floor is below it, writes the abort record, in one compare-and-set. Returns the reading
   * that stands after it; it never leaves the txid undecided, unless the asker is retired, or was
   * shown (`witness`) a later log than this one: for those it writes nothing (!). A log that was
   * set back may have lost the commit.
   */
  resolve(txid: Txid, asker?: Member, witness?: Witness): Promise<LogReading>;
  /** The leaders now; `listener` hears of later changes. Hints: a judgement always reads. */
  leaders(): readonly (LeaderInfo | null)[];
  watchLeaders(listener: (leaders: readonly (LeaderInfo | null)[]) => void): () => void;
  /**
   * Whether `leaders()` was compared with the log of this shard within the last lease. If not, the
   * log is silent here, and the leader that is named may have lost its right long ago.
   */
  isConfirmed(shard: number): boolean;
  /** The nodes that are up, with this one, by name; `listener` hears of later changes. Hints. */
  nodes(): readonly NodeInfo[];
  watchNodes(listener: (nodes: readonly NodeInfo[]) => void): () => void;
  /**
   * Gives up, forever, what an operator says. Resolves when every node that is up has heard of it;
   * may be repeated. Rejects where one does not hear of it in time: it is retired nevertheless. Its
   * binding is gone with it, in one step, and it is never bound again.
   */
  retire(retired: Retired): Promise<void>;
  /**
   * All of them, linearizable. Who watches has heard of each when it resolves. `shard`: those that
   * a leadership of the shard may have counted on. Default: of every shard.
   */
  retired(shard?: number): Promise<readonly Retired[]>;
  /**
   * `listener` hears of each one before this node counts as having heard of it. `shards`: only a
   * leadership of these may count on it, and it is told once for each range. None: of every shard.
   */
  watchRetired(listener: (retired: Retired, shards?: ShardRange) => void): () => void;
  /**
   * Binds what a participant says it is to an identity, put if absent, durable before it resolves.
   * Returns who holds it: this identity, or the one that was first. Linearizable. It changes by
   * `rebind` and `retire` alone, so it may be repeated: whoever was told its own name is told so
   * again. A name that is no well-formed text is a RangeError. `max`: so many of the participant's
   * may be the identity's, nearly: what is bound at the same moment is not counted. Rejects with a
   * BindRefusedError beyond it, and for what is retired.
   */
  bind(claim: Claim, identity: string, max?: number): Promise<string>;
  /**
   * The same of several of one participant's in one step, all or none: where one is another's, or
   * is refused, those that no one held are still no one's (null). In the order of the claims.
   */
  bindAll(
    claims: readonly Claim[],
    identity: string,
    max?: number,
  ): Promise<readonly (string | null)[]>;
  /** Who holds it; null: no one yet. Linearizable. */
  holderOf(claim: Claim): Promise<string | null>;
  /**
   * Gives it to an identity, as an operator says, whoever holds it. Resolves when every node that
   * is up has heard of it; may be repeated. Rejects where one does not hear of it in time: it is
   * given all the same.
   */
  rebind(claim: Claim, identity: string): Promise<void>;
  /**
   * `listener` hears of what was given to another identity before this node counts as having heard
   * of it, and before `retired` resolves: a leadership that has read what was retired knows this,
   * too. The same may be told again.
   */
  watchRebound(listener: (rebound: Rebound) => void): () => void;
  /** What an operator has to mend, in sentences. Absent: no one ever has. */
  problems?(): readonly string[];
  close(): Promise<void>;
}

export interface PendingPage {
  readonly after: Txid | null;
  readonly limit: number;
}

export interface CollectOptions {
  readonly below: Position;
  /** Of leadership: a record that was finished this long ago is old enough. */
  readonly retentionMs: number;
  /** Collect younger ones, down to `retentionMsMin`, while more records than this remain. */
  readonly maxRecords: number;
  readonly retentionMsMin: number;
  readonly keepsRequest: (requestId: string) => boolean;
  readonly limit: number;
}

export interface Collected {
  readonly collected: number;
  readonly floor: Position;
  readonly more: boolean;
}

/**
 * The right to decide for one shard, for one epoch. Every write compares the epoch in the same
 * atomic step (I6, the fence). A method rejects with `LeadershipLostError` once the right is gone;
 * what was in flight then has an UNKNOWN fate and must be read before anything is said of it.
 */
export interface Leadership {
  readonly shard: number;
  readonly epoch: Epoch;
  /** Aborts once, when the right has ended or may have ended. */
  readonly lost: AbortSignal;
  /** Whether the right certainly stands. Ask in the same turn as the answer that depends on it. */
  isCertain(): boolean;
  /** The newest log position this leadership has seen. */
  witness(): Witness;
  /**
   * Makes a commit durable, put-if-absent: `decisions/T` absent and `finished/T` absent and the
   * floor below T and, with a requestId, `requests/R` absent.
   *
   * This is the one place where a decision waits for others: calls that come while a write is under
   * way share the next one. Each call settles with the write that carries it, whatever becomes of
   * others of the same turn. Of two calls for one T or one R the first is written first.
   */
  decide(write: DecisionWrite): Promise<DecideResult>;
  /**
   * Moves records from decisions/ to finished/, where present. Lazy: not on anyone's critical path.
   * A txid that is not in decisions/ is skipped.
   */
  finish(txids: readonly Txid[]): Promise<void>;
  /**
   * Changes a record in decisions/ as an operator's word has it, durably. False where there is no
   * such record: none is ever made, and what has moved or was collected is not touched (!).
   */
  settle(settlement: Settlement): Promise<boolean>;
  /** Linearizable, under the fence. */
  readRequest(requestId: string): Promise<RequestEntry | null>;
  /** Records under decisions/ in txid order, after `after`: what a new leader must finish. */
  pending(page: PendingPage): Promise<readonly DecisionRecord[]>;
  /**
   * Raises the tick, which is in milliseconds of leadership, by as many as have passed: the only
   * measure of age that survives a failover. Never by more than has passed.
   */
  tick(byMs: number): Promise<number>;
  /**
   * One step (I9, collection): deletes from the start of finished/ the records that are old enough,
   * with their requests/ keys, and moves the floor up, in one atomic step. Never at or above
   * `below`; stops at the first record that is too young, that `keepsRequest` holds back, or at
   * `limit`.
   */
  collect(options: CollectOptions): Promise<Collected>;
  /** How many requests/ keys there are, as far as known: for the limit on them. */
  requestCount(): number;
  /** Gives the leadership up. Never again usable. */
  resign(): Promise<void>;
}

/** The fence said no, or may say no from now on. */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError';
}

/** The log cannot be used: closed, full, broken or unreachable. The text says what to do. */
export class DecisionLogError extends Error {
  /** `DecisionLogError`, or that of a class of its own. */
  override readonly name: string = 'DecisionLogError';
}

/** A forced abort was sent, and no answer came: it may be recorded, and is final then. */
export class AbortUnknownError extends DecisionLogError {
  override readonly name: string = 'AbortUnknownError';
}

/** It may not be bound, whoever asks again. The text says what to do. */
export class BindRefusedError extends DecisionLogError {
  override readonly name: string = 'BindRefusedError';
  readonly why: 'retired' | 'full';

  constructor(why: 'retired' | 'full', text: string) {
    super(text);
    this.why = why;
  }
}
