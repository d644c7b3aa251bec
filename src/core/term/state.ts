/** What a term remembers, and the few primitives by which all its parts change it. */
import type { ErrorCode } from '../catalogue.ts';
import { errorCatalogue } from '../catalogue.ts';
import type { CoordinatorOptions } from '../coordinator-options.ts';
import { isAhead } from '../judge.ts';
import { type LockRequest, LockTable } from '../locks/table.ts';
import type { ErrorMessage, FromNode, LeaderInfo, Witness } from '../messages.ts';
import { RetiredSet } from '../retired.ts';
import { heldBytesOf, Shares } from '../shares.ts';
import { type TimerHandle, TimerWheel } from '../timer-wheel.ts';
import type { Transaction } from '../transaction.ts';
import type { Epoch, Txid } from '../txid.ts';
import type { Branch } from './branch.ts';
import { ConnectedParticipants } from './connected.ts';
import type { Effect, Note, Sender } from './events.ts';
import type { Bulkhead } from './flow/bulkhead.ts';
import { CommandWindows } from './flow/command-window.ts';
import { RecentTransactions } from './listing/recent.ts';
import type { Question, RequestQuestion } from './questions.ts';
import { RequestTable } from './requests/request-table.ts';

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
  /** What whoever began a transaction may hand to others, so that it is theirs too. */
  readonly shareOf: (txid: Txid) => string;
  /** Wall clock, for records that people read. */
  readonly wallMs: () => number;
  /** Whether notes of level debug are wanted: they cost. */
  readonly debug: boolean;
  readonly nowMs: number;
}

export type TimerTarget =
  | { readonly kind: 'transaction'; readonly transaction: Transaction }
  | { readonly kind: 'branch'; readonly branch: Branch }
  | { readonly kind: 'lock'; readonly request: LockRequest<Transaction> }
  | { readonly kind: 'lock-hold'; readonly transaction: Transaction };

/** Who is to hear of the end of a wait for locks. */
export interface LockWait {
  readonly replies: {
    readonly connection: number;
    readonly id: number;
    readonly keys: readonly string[];
  }[];
  readonly waitMs: number;
  readonly timer: TimerHandle | null;
}

export class TermState {
  readonly config: TermConfig;
  readonly transactions: Map<Txid, Transaction> = new Map();
  readonly places: Shares;
  readonly heldBytes: Shares;
  readonly recent: RecentTransactions;
  readonly requests: RequestTable;
  readonly connected: ConnectedParticipants = new ConnectedParticipants();
  /** By participant: the branches that its connections coming and going concern. */
  readonly attached: Map<string, Set<Branch>> = new Map();
  readonly bulkheads: Map<string, Bulkhead> = new Map();
  /** Those with a place given back in this step. */
  readonly freed: Set<Bulkhead> = new Set();
  /** By connection: the commands of phase 2 that are under way on it. */
  readonly commands: CommandWindows;
  readonly timers: TimerWheel<TimerTarget>;
  readonly locks: LockTable<Transaction> = new LockTable();
  readonly lockWaits: Map<LockRequest<Transaction>, LockWait> = new Map();
  /** To be served at the end of the step. */
  granted: LockRequest<Transaction>[] = [];
  readonly reads: Map<number, Question> = new Map();
  readonly requestReads: Map<number, RequestQuestion> = new Map();
  /** What will never come back: what nobody else can finish counts as acknowledged, now and later. */
  readonly retired: RetiredSet = new RetiredSet();
  scans = 0;
  /** While a scan runs: what ended meanwhile. */
  endedDuringScan: Set<Txid> | null = null;
  resumedByScan = 0;
  /** Transactions whose record is on its way from decisions/ to finished/. */
  readonly finishing: Map<Txid, Transaction> = new Map();
  outbox: Effect[] = [];
  witness: Witness;
  nowMs: number;
  nextSequence = 1;
  nextToken = 1;
  attention = 0;
  accepting = true;
  lost = false;

  constructor(config: TermConfig) {
    this.config = config;
    this.witness = config.witness;
    this.nowMs = config.nowMs;
    this.timers = new TimerWheel({ nowMs: config.nowMs });
    const { options } = config;
    this.places = new Shares(options.maxTransactions);
    this.heldBytes = config.heldBytes ?? new Shares(heldBytesOf(options));
    // Of what has ended, a quarter as much: half of it here, half there.
    const maxEndedBytes = Math.floor(this.heldBytes.total / 8);
    this.recent = new RecentTransactions(options.maxRecent, maxEndedBytes);
    this.requests = new RequestTable({ shares: new Shares(options.maxRequests), maxEndedBytes });
    this.commands = new CommandWindows(config.options.commandWindow);
  }

  /** Answers come in any order; what the log has once shown it has shown. */
  sawWitness(witness: Witness): void {
    if (isAhead(witness, this.witness)) this.witness = witness;
  }

  send(connection: number, message: FromNode): void {
    this.outbox.push({ type: 'send', connection, message });
  }

  fail(
    to: { readonly connection: number; readonly id: number },
    code: ErrorCode,
    more: { message?: string; retryAfterMs?: number; leader?: LeaderInfo; txid?: Txid } = {},
  ): void {
    const entry = errorCatalogue[code];
    const message: ErrorMessage = {
      type: 'error',
      id: to.id,
      code,
      message: more.message ?? entry.text,
      retryable: entry.retryable,
      ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }),
      ...(more.leader === undefined ? {} : { leader: more.leader }),
      ...(more.txid === undefined ? {} : { txid: more.txid }),
    };
    this.send(to.connection, message);
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
    this.clearBranchTimer(branch);
    branch.timer = this.timers.schedule(atMs, { kind: 'branch', branch });
  }

  clearBranchTimer(branch: Branch): void {
    if (branch.timer !== null) {
      this.timers.cancel(branch.timer);
      branch.timer = null;
    }
  }

  setTransactionTimer(transaction: Transaction): void {
    transaction.timer = this.timers.schedule(transaction.deadlineAtMs, {
      kind: 'transaction',
      transaction,
    });
  }

  clearTransactionTimer(transaction: Transaction): void {
    if (transaction.timer !== null) {
      this.timers.cancel(transaction.timer);
      transaction.timer = null;
    }
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

export function senderOf(from: Sender, id: number): { connection: number; id: number } {
  return { connection: from.connection, id };
}
