/**
 * What a term remembers, and the few primitives by which all its rooms change it.
 *
 * What a room alone uses is in a state of its own, and other rooms come to it by its door: the file
 * that has the room's name. Rooms import each other one way, as scripts/lint/architecture.ts says.
 */
import { type ErrorCode, errorCatalogue } from '../catalogue.ts';
import type { CoordinatorOptions } from '../coordinator-options.ts';
import { Figures } from '../figures.ts';
import { isAhead } from '../judge.ts';
import type { LockRequest } from '../locks/table.ts';
import type { ErrorMessage, FromNode, LeaderInfo, Witness } from '../messages.ts';
import { RetiredSet } from '../retired.ts';
import type { Shares } from '../shares.ts';
import { TimerWheel } from '../timer-wheel.ts';
import type { TraceContext } from '../trace-context.ts';
import { deadlineAtMs, type Transaction } from '../transaction.ts';
import type { Epoch, Txid } from '../txid.ts';
import type { Branch } from './branch.ts';
import { ConnectedParticipants } from './connected.ts';
import type { Effect, Note, ReplyTo, Sender } from './events.ts';
import { type FlowState, flowState } from './flow/flow.ts';
import { type ListingState, listingState } from './listing/listing.ts';
import { LocksState } from './locks/locks.ts';
import { OperatorState } from './operator/operator.ts';
import { PhaseTwoState } from './phase-two/phase-two.ts';
import type { Question, RequestQuestion } from './questions.ts';
import { RecoveryState } from './recovery/recovery.ts';
import { maxEndedBytes, type RequestsState, requestsState } from './requests/requests.ts';

export interface TermConfig {
  readonly shard: number;
  /** How many there are: by it, and a hash, a lock group belongs to one. */
  readonly shards: number;
  readonly epoch: Epoch;
  readonly leader: LeaderInfo;
  readonly witness: Witness;
  readonly requestWindowMs: number;
  readonly options: CoordinatorOptions;
  /** What all terms of the node have for what transactions hold; absent: one of its own. */
  readonly heldBytes?: Shares;
  /** Chance as data, for jitter. */
  readonly fraction: () => number;
  /** The last part of a txid, from all before it: chance and a proof that a leader gave it out. */
  readonly randomPart: (place: string) => string;
  /** What the owner of a transaction may hand to others, so that it is theirs too. */
  readonly shareOf: (txid: Txid) => string;
  /** Wall clock, for records that people read. */
  readonly wallMs: () => number;
  /** Whether notes of level debug are wanted: they cost. An operator may change it. */
  debug: boolean;
  /** What all terms of the node count in; absent: one of its own. */
  readonly figures?: Figures;
  readonly nowMs: number;
}

export type TimerTarget =
  | { readonly type: 'transaction'; readonly transaction: Transaction }
  | { readonly type: 'branch'; readonly branch: Branch }
  | { readonly type: 'lock'; readonly request: LockRequest<Transaction> }
  | { readonly type: 'lock-hold'; readonly transaction: Transaction };

export class TermState {
  readonly config: TermConfig;
  // What is a room's own: read and changed by its files alone.
  readonly flow: FlowState;
  readonly locks: LocksState = new LocksState();
  readonly requests: RequestsState;
  readonly listing: ListingState;
  readonly phaseTwo: PhaseTwoState = new PhaseTwoState();
  readonly recovery: RecoveryState = new RecoveryState();
  readonly operator: OperatorState = new OperatorState();
  // What all share.
  readonly transactions: Map<Txid, Transaction> = new Map();
  readonly connected: ConnectedParticipants = new ConnectedParticipants();
  /** Of those that belong to one; the others need not pay for it. */
  readonly traces: Map<Txid, TraceContext> = new Map();
  /** By participant: the branches that its connections coming and going concern. */
  readonly attached: Map<string, Set<Branch>> = new Map();
  /** What will never come back: what no one else can finish counts as acknowledged. */
  readonly retired: RetiredSet = new RetiredSet();
  readonly figures: Figures;
  /** While the log is scanned: what ended meanwhile. */
  endedDuringScan: Set<Txid> | null = null;
  readonly timers: TimerWheel<TimerTarget>;
  readonly reads: Map<number, Question> = new Map();
  readonly requestReads: Map<number, RequestQuestion> = new Map();
  outbox: Effect[] = [];
  witness: Witness;
  nowMs: number;
  nextSequence = 1;
  nextToken = 1;
  accepting = true;
  lost = false;

  constructor(config: TermConfig) {
    this.config = config;
    this.witness = config.witness;
    this.nowMs = config.nowMs;
    this.timers = new TimerWheel({ nowMs: config.nowMs });
    this.figures = config.figures ?? new Figures();
    this.flow = flowState(config);
    this.requests = requestsState(config);
    this.listing = listingState(config, maxEndedBytes(this.requests.heldBytes));
  }

  /** Answers come in any order; what the log has once shown it has shown. */
  sawWitness(witness: Witness): void {
    if (isAhead(witness, this.witness)) this.witness = witness;
  }

  send(connection: number, message: FromNode): void {
    this.outbox.push({ type: 'send', connection, message });
  }

  fail(
    to: ReplyTo,
    code: ErrorCode,
    more: Partial<Pick<ErrorMessage, 'message' | 'retryAfterMs' | 'leader' | 'txid'>> = {},
  ): void {
    const { text: message, retryable } = errorCatalogue[code];
    this.send(to.connection, { type: 'error', id: to.id, code, message, retryable, ...more });
  }

  /** How long ago that was, as it is told. */
  ageMs(sinceMs: number): number {
    return Math.max(0, Math.round(this.nowMs - sinceMs));
  }

  note(note: Note): void {
    this.outbox.push({ type: 'note', note });
  }

  /** `from`: who asked; absent: the term itself. */
  read(txids: readonly Txid[], question: Question, from?: Sender): void {
    const token = this.nextToken++;
    this.reads.set(token, question);
    const connection = from === undefined ? {} : { connection: from.connection };
    this.outbox.push({ type: 'read', token, txids, ...connection });
  }

  readRequest(requestId: string, question: RequestQuestion): void {
    const token = this.nextToken++;
    this.requestReads.set(token, question);
    this.outbox.push({ type: 'read-request', token, requestId });
  }

  setBranchTimer(branch: Branch, atMs: number): void {
    this.clearTimer(branch);
    branch.timer = this.timers.schedule(atMs, { type: 'branch', branch });
  }

  setTransactionTimer(transaction: Transaction): void {
    const target = { type: 'transaction', transaction } as const;
    transaction.timer = this.timers.schedule(deadlineAtMs(transaction), target);
  }

  clearTimer(of: Branch | Transaction): void {
    if (of.timer === null) return;
    this.timers.cancel(of.timer);
    of.timer = null;
  }

  /** From here on the branch hears of its participant's connections. */
  attach(branch: Branch): void {
    let set = this.attached.get(branch.participant);
    if (set === undefined) {
      set = new Set();
      this.attached.set(branch.participant, set);
    }
    set.add(branch);
  }

  detach(branch: Branch): void {
    const set = this.attached.get(branch.participant);
    if (set === undefined) return;
    set.delete(branch);
    if (set.size === 0) this.attached.delete(branch.participant);
  }
}
