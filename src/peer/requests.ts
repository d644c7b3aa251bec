/** The requests of one link that wait for a reply: matched by id, bounded, with time-outs. */
import type { Begun, FromNode, LeaderInfo, ToNode } from '../core/messages.ts';
import { thrownText } from '../core/thrown.ts';
import type { TimerHandle } from '../core/timer-wheel.ts';
import type { Txid } from '../core/txid.ts';
import type { Clock } from '../ports/clock.ts';
import { Delays } from './delays.ts';
import { abortedByCaller, errorFromMessage, refusal, VerdictError } from './verdict-error.ts';

const replyTypes = {
  begin: 'begun',
  enlist: 'enlisted',
  lock: 'locked',
  commit: 'outcome',
  rollback: 'outcome',
  transact: 'outcome',
  status: 'status',
  query: 'decision',
  resolve: 'decision',
  report: 'reported',
  info: 'info',
  explain: 'explained',
  stats: 'stats',
  list: 'list',
  config: 'config',
  locks: 'locks',
  recover: 'recovered',
  retire: 'retired',
  rebind: 'rebound',
  retry: 'retried',
  acknowledge: 'acknowledged',
  renew: 'renewed',
  'take-over': 'taken-over',
  'step-down': 'stepped-down',
  drain: 'drained',
  undrain: 'undrained',
  'log-level': 'log-level-set',
} as const;
export type RequestType = keyof typeof replyTypes;

/** Which reply answers which request. */
export type ReplyTo = {
  readonly [Type in RequestType]: Extract<FromNode, { readonly type: (typeof replyTypes)[Type] }>;
};

type WithoutId<Request> = Request extends unknown ? Omit<Request, 'id'> : never;
export type Request = Extract<ToNode, { readonly type: RequestType }>;
export type RequestWithoutId = WithoutId<Request>;

/** Of one shard, for one epoch. */
export type Leadership = Pick<LeaderInfo, 'shard' | 'epoch'>;

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The leadership that is asked: once a newer one is known, the wait is cut short. */
  readonly leader?: Leadership | undefined;
  /** For a `transact` with `announce`: its txid, ahead of the outcome. */
  readonly onBegun?: ((begun: Begun) => void) | undefined;
}

/**
 * A node's word that it does not lead. It holds for the time at which it was said, among all else
 * that this node says. So it is taken in when it comes: a caller that wakes up to a rejected
 * request may already have news that are newer.
 */
export interface NotLeader {
  /** As the request named it. */
  readonly asked: Leadership | undefined;
  /** Who leads; null while no one is known to. */
  readonly leader: LeaderInfo | null | undefined;
}

/** What a request names, and its reply must name too. */
export interface Subject {
  readonly txid?: Txid;
  readonly branch?: string;
  /** Its txid comes with `begun`, and holds from then on. */
  readonly announced?: boolean;
}

export function subjectOf(message: RequestWithoutId): Subject {
  switch (message.type) {
    case 'enlist':
      return { txid: message.txid, branch: message.branch ?? message.participant };
    case 'lock':
    case 'commit':
    case 'rollback':
    case 'status':
    case 'explain':
    case 'query':
    case 'resolve':
    case 'retry':
      return { txid: message.txid };
    case 'acknowledge':
      return { txid: message.txid, branch: message.branch };
    case 'transact':
      // Under a request id another transaction's outcome may be the answer.
      return { announced: message.requestId === undefined };
    default:
      return {};
  }
}

interface Waiting extends Pick<RequestOptions, 'timeoutMs' | 'leader' | 'onBegun'> {
  readonly type: RequestType;
  about: Subject;
  readonly resolve: (reply: FromNode) => void;
  readonly reject: (error: Error) => void;
  readonly timer: TimerHandle;
  readonly forgetSignal: (() => void) | null;
}

/** They stay until their time-out: unbounded, a node that answers nothing fills the memory. */
const maxRequests = 100_000;

export class Requests {
  readonly #delays: Delays<number>;
  readonly #notLeader: (said: NotLeader) => void;
  readonly #idle: () => void;
  readonly #waiting = new Map<number, Waiting>();
  /** Never starts again, so that no late reply can meet another request. */
  #lastId = 0;

  /**
   * `notLeader`: called as the message comes, ahead of the rejection. `idle`: as the last one ends.
   */
  constructor(clock: Clock, notLeader: (said: NotLeader) => void, idle: () => void) {
    this.#delays = new Delays(clock, 'others', (id) => this.#timedOut(id));
    this.#notLeader = notLeader;
    this.#idle = idle;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** Calls `send` with the request's id, at once. What `send` throws rejects the request. */
  start<Type extends RequestType>(
    type: Type,
    options: RequestOptions & { about: Subject; send: (id: number) => void },
  ): Promise<ReplyTo[Type]> {
    const { signal, timeoutMs, leader, onBegun, about, send } = options;
    if (signal?.aborted) {
      return Promise.reject(abortedByCaller({ acted: 'nothing', cause: signal.reason }));
    }
    if (this.#waiting.size >= maxRequests) {
      const text = `${maxRequests} requests wait for replies. Let some end first.`;
      return Promise.reject(new VerdictError('BUSY', text, { retryable: true, acted: 'nothing' }));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, {
        type,
        about,
        timeoutMs,
        leader,
        onBegun,
        // The reply's type is checked against the request's before this is called.
        resolve: resolve as (reply: FromNode) => void,
        reject,
        timer: this.#delays.start(timeoutMs, id),
        forgetSignal: signal === undefined ? null : this.#heed(signal, id),
      });
      try {
        send(id);
      } catch (error) {
        this.#fail(id, notSendable(error));
      }
    });
  }

  /** Whether the message answered a request, or was a late answer to one that had been given up. */
  receive(message: FromNode): boolean {
    if (!('id' in message) || message.id === undefined) return false;
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return true;
    if (message.type === 'error') {
      const { code, leader } = message;
      if (code === 'NOT_LEADER') this.#notLeader({ asked: waiting.leader, leader });
      this.#fail(message.id, errorFromMessage(message));
    } else if (isAboutAnother(message, waiting.about)) {
      // Believed, it would be the outcome of a transaction that no one asked about.
      const answered = 'what it says of another transaction';
      this.#fail(message.id, brokenNode(waiting.type, answered, waiting.about.txid));
    } else if (message.type === 'begun' && waiting.type === 'transact') {
      if (waiting.about.announced === true) waiting.about = { txid: message.txid };
      waiting.onBegun?.(message);
    } else if (message.type !== replyTypes[waiting.type]) {
      this.#fail(message.id, brokenNode(waiting.type, message.type));
    } else {
      this.#take(message.id)?.resolve(message);
    }
    return true;
  }

  failAll(error: () => VerdictError): void {
    for (const id of [...this.#waiting.keys()]) this.#fail(id, error());
  }

  /** Returns what takes the listener away again. */
  #heed(signal: AbortSignal, id: number): () => void {
    const aborted = (): void => {
      this.#fail(id, abortedByCaller({ acted: 'unknown', cause: signal.reason }));
    };
    signal.addEventListener('abort', aborted, { once: true });
    return () => signal.removeEventListener('abort', aborted);
  }

  #timedOut(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const text = `No reply to ${waiting.type} within ${Math.round(waiting.timeoutMs)} ms. The node may have acted.`;
    this.#fail(id, new VerdictError('TIMEOUT', text, { retryable: true, acted: 'unknown' }));
  }

  failOlder(newer: Leadership, error: () => VerdictError): void {
    for (const [id, { leader }] of [...this.#waiting]) {
      if (leader === undefined || leader.shard !== newer.shard) continue;
      if (leader.epoch < newer.epoch) this.#fail(id, error());
    }
  }

  #fail(id: number, error: Error): void {
    this.#take(id)?.reject(error);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    this.#delays.stop(waiting.timer);
    waiting.forgetSignal?.();
    if (this.#waiting.size === 0) this.#idle();
    return waiting;
  }
}

function isAboutAnother(message: FromNode, { txid, branch }: Subject): boolean {
  if (txid !== undefined && 'txid' in message && message.txid !== txid) return true;
  return branch !== undefined && message.type === 'enlisted' && message.branch !== branch;
}

function brokenNode(type: RequestType, answered: string, txid?: Txid): VerdictError {
  const text = `The node answered ${type} with ${answered}. It speaks another protocol, or is broken.`;
  return new VerdictError('INVALID_MESSAGE', text, { retryable: false, acted: 'unknown', txid });
}

/** The transport throws a RangeError if it fits no frame, a TypeError if it cannot be encoded. */
function notSendable(error: unknown): Error {
  if (error instanceof VerdictError) return error;
  const code = error instanceof RangeError ? 'TOO_LARGE' : 'INVALID_MESSAGE';
  return refusal(code, thrownText(error), { cause: error });
}
