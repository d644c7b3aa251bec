/** States, events and effects of the branch machine; `branch.ts` has the diagram and the rules. */
import type { Ack, Decision, Prepare, VoteMessage, VoteReason, Witness } from '../messages.ts';
import type { Epoch, Txid } from '../txid.ts';

/** One connection to one node: a number that no other connection of this process ever has. */
export type ConnectionId = number;

export interface BranchIdentity {
  readonly txid: Txid;
  readonly branch: string;
}

/** What a prepare brought. */
export type PrepareData = Omit<Prepare, 'type' | 'txid' | 'branch'>;

/** What the journal remembers of this branch. */
export interface Found {
  readonly state: 'started' | 'prepared' | 'readonly' | 'committed' | 'tombstone';
  readonly epoch: Epoch;
  readonly witness: Witness | null;
  readonly payload?: unknown;
  readonly result?: unknown;
  readonly reason?: VoteReason;
  /** The tombstone stands for a commit that was forgotten. */
  readonly forgotten?: true;
}

/** Who waits for an acknowledgement. */
export interface Askers {
  /** Not answered yet. */
  readonly owed: readonly ConnectionId[];
  /** Answered `ok: false`; told when it succeeds after all. */
  readonly told: readonly ConnectionId[];
}

/**
 * The branch was prepared by a sibling with its own journal: the store alone says what is there.
 * `quiet`: the commit came from a leader that has been succeeded.
 */
export interface TakenOver {
  readonly quiet: boolean;
  /**
   * It was told by an answer, and no one waits for an acknowledgement here. Its leader does, of the
   * instance that voted, which may hang: it is told of the success, and of nothing else.
   */
  readonly answered?: boolean;
}

interface Calling extends Askers {
  readonly takenOver: TakenOver | null;
  readonly payload: unknown;
  /** Calls of the application so far, this one included. */
  readonly attempt: number;
  /** Set while the pause before the next attempt runs. */
  readonly lastError: string | null;
}

interface StateData {
  /** Nothing is known, in memory or in the journal. */
  unknown: object;
  /** `started` is being written; the application has not been called. */
  starting: {
    readonly enlisting: boolean;
    readonly prepare: PrepareData | null;
    readonly voter: ConnectionId | null;
    /** A rollback came meanwhile; `owed` are those who sent it and are still connected. */
    readonly rollback: boolean;
    readonly owed: readonly ConnectionId[];
  };
  /** Enlisted itself: the application is at work, nothing is prepared. */
  working: object;
  /**
   * Begun by a process of the same shared resource that may be dead or may be about to vote: as the
   * journal has no vote, and that process alone may abort without a decision, this one asks.
   */
  orphaned: {
    readonly witness: Witness | null;
    readonly payload: unknown;
    /** False: the application lists it, and the journal has nothing of it. */
    readonly recorded: boolean;
  };
  /** A sibling's vote, known from the store alone. Only a decision ends it (I4, a vote binds). */
  'voted-elsewhere': object;
  /**
   * The store holds it prepared under this instance, and the journal has no vote: a process before
   * ended ahead of its vote, or behind it and ahead of the journal. Only a decision ends it (8.11).
   */
  kept: { readonly witness: Witness | null };
  /** The application's prepare runs. */
  preparing: {
    readonly prepare: PrepareData;
    /** The connection that carried the latest prepare, while it is open. */
    readonly voter: ConnectionId | null;
    readonly interrupted: 'rollback' | 'timeout' | null;
    readonly owed: readonly ConnectionId[];
  };
  /** The vote is being written. */
  voting: {
    readonly prepare: PrepareData;
    readonly vote: 'commit' | 'readonly';
    readonly result: unknown;
    readonly voter: ConnectionId | null;
    readonly rollback: boolean;
    readonly owed: readonly ConnectionId[];
  };
  /** In doubt: voted commit, decision not known. */
  prepared: {
    readonly epoch: Epoch;
    readonly witness: Witness | null;
    readonly payload: unknown;
    readonly result: unknown;
  };
  readonly: { readonly result: unknown };
  /** The application's commit runs, or waits to be called again. */
  committing: Calling & { readonly result: unknown };
  /** The application has committed; the journal has not said so yet. */
  'recording-commit': Askers & { readonly result: unknown };
  /** Kept until a node says `forget`. */
  committed: { readonly result: unknown };
  /** The application's rollback runs, or waits to be called again. */
  'rolling-back': Calling &
    Aborting & {
      /** The journal has the record of the process that began it: it stays for now. */
      readonly begunElsewhere: boolean;
    };
  /**
   * Rolled back for the process that began it, which may still prepare, and die with what it took.
   * Its `started` stays in the journal until no prepare can run any more: it keeps out a late one,
   * and whoever starts meanwhile rolls back again.
   */
  'rolled-back': { readonly payload: unknown };
  /** The application holds nothing any more; the tombstone is being written. */
  'recording-abort': Askers & Aborting;
  /** A tombstone, but not of a commit. */
  gone: { readonly reason: VoteReason | null };
  /** The tombstone of a commit. */
  forgotten: object;
}

interface Aborting {
  /** What a prepare is told, from now on. */
  readonly reason: VoteReason | null;
}

export type LocalState = keyof StateData;

/** A union of states where `State` is a union of states. */
export type LocalBranchOf<State extends LocalState> = State extends LocalState
  ? BranchIdentity & { readonly state: State } & Readonly<StateData[State]>
  : never;
export type LocalBranch = LocalBranchOf<LocalState>;

/** How the application's prepare ended. */
export type Prepared =
  | { readonly vote: 'commit' | 'readonly'; readonly result: unknown }
  /** It says that it holds nothing: its rollback is not called. */
  | { readonly vote: 'abort'; readonly reason: VoteReason }
  /** It may hold something: its rollback is called. */
  | { readonly vote: 'threw'; readonly reason: VoteReason };

/** What a store that siblings share has of a branch that it does not hold prepared. */
export type StoreFound =
  /** Neither prepared nor committed. */
  | 'nothing'
  | 'committed'
  /** A sibling committed it, because it was told to. */
  | 'committed-by-sibling';

interface EventData {
  // from a node
  prepare: { readonly connection: ConnectionId; readonly prepare: PrepareData };
  commit: { readonly connection: ConnectionId; readonly epoch: Epoch };
  rollback: { readonly connection: ConnectionId; readonly epoch: Epoch };
  forget: object;
  /** To a query, a resolve, a report, or a vote that came too late. */
  answer: { readonly decision: Decision | 'undecided' | 'expired' };
  /** The leader confirmed that this participant may work for the transaction. */
  enlisted: object;
  'connection-lost': { readonly connection: ConnectionId };
  // from the application
  'application-prepared': { readonly prepared: Prepared };
  /** `leader`: the connection to the shard's leader, where there is one. */
  'application-committed': { readonly leader?: ConnectionId | null };
  'application-rolled-back': object;
  /** Its commit or rollback threw; `found` where the store says why for certain. */
  'application-failed': { readonly message: string; readonly found?: StoreFound };
  /**
   * The application says that it holds something; `mine`: prepared by this instance. `witness`:
   * where the log stood as far as the journal knows.
   */
  held: { readonly mine: boolean; readonly witness?: Witness | null };
  // from the journal
  /** What is there: read on start, and before a branch that memory does not know is stepped. */
  journal: { readonly found: Found | null };
  'vote-written': object;
  'vote-refused': { readonly by: 'stale-epoch' } | { readonly by: 'entry'; readonly entry: Found };
  'outcome-written': object;
  'outcome-contradicted': { readonly entry: Found | null };
  // from timers
  'prepare-timeout': object;
  'patience-over': object;
  'limit-over': object;
  'tombstone-due': object;
  'retry-due': object;
}

export type LocalEventType = keyof EventData;

export type LocalEventOf<Type extends LocalEventType> = Type extends LocalEventType
  ? { readonly type: Type } & Readonly<EventData[Type]>
  : never;
export type LocalEvent = LocalEventOf<LocalEventType>;

/** What is true of the whole participant when the event is stepped. */
export interface BranchContext {
  /** The newest epoch durably known for the transaction's shard. */
  readonly knownEpoch: Epoch;
  /** Other processes work on the same resource and the same journal. */
  readonly shared: boolean;
  /** Siblings: other instances, with journals of their own, work on the same store. */
  readonly siblings: boolean;
  /** The application cannot list what it holds: `started` is written before it is called. */
  readonly recordsStart: boolean;
  /** The application's store keeps votes: what it holds may have one that the journal lost. */
  readonly keepsVotes: boolean;
}

/** What a correct cluster never shows a participant. docs/OPERATING.md says what each means. */
export type BranchAlarm =
  | 'commit-of-unknown'
  | 'commit-after-rollback'
  | 'rollback-after-commit'
  | 'contradicting-answer'
  | 'contradicting-journal'
  | 'forget-in-doubt'
  | 'outcome-expired'
  | 'older-leader'
  | 'held-after-readonly';

/** `tombstone`: as long as tombstones are kept, for then no prepare of the branch runs any more. */
export type BranchTimer = 'patience' | 'limit' | 'tombstone';

/**
 * Carried out in order. Whatever depends on something being durable is not among the effects of the
 * step that writes it, but of the one that hears it was written.
 */
export type LocalEffect =
  /** Answered by `application-prepared`. */
  | { readonly type: 'call-prepare'; readonly prepare: PrepareData }
  /** Fires the AbortSignal of the prepare that runs; its result is still awaited. */
  | { readonly type: 'interrupt-prepare'; readonly why: 'rollback' | 'timeout' }
  /** Answered by `application-committed` or `application-failed`. */
  | { readonly type: 'call-commit'; readonly payload: unknown; readonly takenOver: boolean }
  /** Answered by `application-rolled-back` or `application-failed`. */
  | { readonly type: 'call-rollback'; readonly payload: unknown; readonly takenOver: boolean }
  /** Answered by `vote-written` or `vote-refused`. */
  | {
      readonly type: 'write-vote';
      readonly state: 'started' | 'prepared' | 'readonly';
      readonly epoch: Epoch;
      readonly witness: Witness | null;
      readonly payload: unknown;
      readonly result: unknown;
    }
  /** Answered by `outcome-written` or `outcome-contradicted`. */
  | { readonly type: 'write-committed' }
  | { readonly type: 'write-tombstone'; readonly reason: VoteReason | null }
  /** May be lazy; nothing answers it. */
  | { readonly type: 'write-forget' }
  /** Dropped where that connection is no longer open: delivery is never promised. */
  | { readonly type: 'send'; readonly to: ConnectionId; readonly message: VoteMessage | Ack }
  /** The event of the same name follows, unless the timer is stopped. */
  | { readonly type: 'start-timer'; readonly timer: BranchTimer }
  | { readonly type: 'start-timer'; readonly timer: 'retry'; readonly attempt: number }
  /** Stopping `patience` also ends a query under way. */
  | { readonly type: 'stop-timer'; readonly timer: BranchTimer }
  /** Ask for the outcome until there is an answer. */
  | { readonly type: 'query'; readonly witness: Witness | null }
  /** Tells the application's own call of enlist. */
  | { readonly type: 'enlist-settled'; readonly refusal: string | null }
  | { readonly type: 'alarm'; readonly alarm: BranchAlarm; readonly message: string };

/** Where nothing waits to happen: memory may be dropped, for the journal says the same. */
export const settledStates: readonly LocalState[] = ['unknown', 'readonly', 'gone', 'forgotten'];

export interface BranchStep {
  readonly branch: LocalBranch;
  readonly effects: readonly LocalEffect[];
}
