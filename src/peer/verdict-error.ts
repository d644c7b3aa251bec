/**
 * The one error class of both SDKs. Match it by `code`: two copies of this package in one process
 * have two classes, but one set of codes.
 */
import { type ErrorCode, type ErrorEntry, errorCatalogue } from '../core/catalogue.ts';
import type { ErrorMessage, LeaderInfo } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';

/** What only this side of the connection can know. */
export const peerErrorCodes = [
  'CONNECTION_LOST',
  'TIMEOUT',
  'ABORTED_BY_CALLER',
  'CLOSED',
] as const;
/** One of `peerErrorCodes`. */
export type PeerErrorCode = (typeof peerErrorCodes)[number];
/** The codes of a VerdictError; docs/errors.md describes each. Codes stay, messages may change. */
export type VerdictErrorCode = ErrorCode | PeerErrorCode;

/** `acted` is the usual case; the error itself says what holds for it. */
export const peerErrorCatalogue: Readonly<Record<PeerErrorCode, ErrorEntry>> = {
  CONNECTION_LOST: {
    retryable: true,
    acted: 'unknown',
    text: 'The connection ended before the reply came, or there is none. If the error says that nothing was done, the request was never sent.',
    look: 'Whether the addresses answer: `verdict status --url HOST:PORT`.',
  },
  TIMEOUT: {
    retryable: true,
    acted: 'unknown',
    text: 'No reply came within the time-out of the call. The request may still be carried out.',
    look: 'How long the call takes compared with its time-out; the load of the node.',
  },
  ABORTED_BY_CALLER: {
    retryable: false,
    acted: 'unknown',
    text: 'The AbortSignal of the call fired. The request may still be carried out: if there is a txid, ask for its status.',
    look: 'The code that fired it.',
  },
  CLOSED: {
    retryable: false,
    acted: 'nothing',
    text: 'The client or participant was closed. Make a new one.',
    look: 'The code that closed it, and whether calls were still to come.',
  },
};

/** What a VerdictError is made of beside its code and message. */
export interface VerdictErrorDetails {
  /** Whether doing the same again, later or elsewhere, can succeed. */
  readonly retryable: boolean;
  /** What may have happened before the error. After 'nothing' it is safe to repeat the call. */
  readonly acted: 'nothing' | 'unknown';
  /** How long the node asks to wait before the next try. */
  readonly retryAfterMs?: number | undefined;
  /** With NOT_LEADER: who leads, or null while no one is known to. */
  readonly leader?: LeaderInfo | null | undefined;
  /** The transaction, where it concerns one. */
  readonly txid?: Txid | undefined;
  /** What was thrown first. */
  readonly cause?: unknown;
}

/**
 * What the client, the participant and the library mode reject with. Match it by `code`, after
 * `isVerdictError`.
 *
 * ```ts
 * try {
 *   await client.transact(request);
 * } catch (error) {
 *   if (isVerdictError(error) && error.acted === 'nothing') await tryLater(request);
 *   else throw error;
 * }
 * ```
 */
export class VerdictError extends Error {
  /** `VerdictError`, or that of a class of its own. */
  override readonly name: string = 'VerdictError';
  /** What happened: stable, to match on. */
  readonly code: VerdictErrorCode;
  /** Whether doing the same again, later or elsewhere, can succeed. */
  readonly retryable: boolean;
  /** What may have happened before the error. After 'nothing' it is safe to repeat the call. */
  readonly acted: 'nothing' | 'unknown';
  /** How long the node asks to wait before the next try. */
  readonly retryAfterMs?: number;
  /** With NOT_LEADER: who leads, or null while no one is known to. */
  readonly leader?: LeaderInfo | null;
  /** The transaction, where it concerns one. */
  readonly txid?: Txid;

  constructor(code: VerdictErrorCode, message: string, details: VerdictErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable;
    this.acted = details.acted;
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
    if (details.leader !== undefined) this.leader = details.leader;
    if (details.txid !== undefined) this.txid = details.txid;
  }
}

/**
 * The transaction has, or will have, exactly one outcome, but this call ended before it was known.
 * Nothing was undone. Ask `client.status(txid)` if there is a txid, or send the same requestId
 * again.
 */
export class OutcomeUnknownError extends VerdictError {
  /** Always this. */
  override readonly name = 'OutcomeUnknownError';

  constructor(message: string, details: { txid?: Txid | undefined; cause?: unknown } = {}) {
    super('OUTCOME_UNKNOWN', message, { ...details, retryable: true, acted: 'unknown' });
  }
}

/** No node asks for a second; one that asks for a year must not be lost to its peers. */
const maxRetryAfterMs = 30_000;

/** How long the node asks to wait, within reason. */
export function retryAfterMsOf({
  retryAfterMs,
}: Pick<ErrorMessage, 'retryAfterMs'>): number | undefined {
  return retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, maxRetryAfterMs);
}

/**
 * For a refusal past capacity: there are thousands of these a second then, and the stack of each
 * would cost more than the rest of it.
 */
export function withoutStack<Made extends Error>(make: () => Made): Made {
  const { stackTraceLimit } = Error;
  // Not by an assignment: it would throw where a program has frozen what is built in.
  Reflect.set(Error, 'stackTraceLimit', 0);
  try {
    return make();
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  }
}

export function errorFromMessage(message: ErrorMessage): VerdictError {
  const details: VerdictErrorDetails = {
    retryable: message.retryable,
    acted: errorCatalogue[message.code].acted,
    retryAfterMs: retryAfterMsOf(message),
    leader: message.leader,
    txid: message.txid,
  };
  const make = () => new VerdictError(message.code, message.message, details);
  return message.code === 'BUSY' ? withoutStack(make) : make();
}

/** `sent`: whether the message had left, so that the node may have acted on it. */
export function connectionLost(options: { sent: boolean; reason: string }): VerdictError {
  const text = options.sent
    ? `The connection ended before the reply came (${options.reason}). The node may have acted.`
    : `There is no connection to the node (${options.reason}). Nothing was sent.`;
  return new VerdictError('CONNECTION_LOST', text, {
    retryable: true,
    acted: options.sent ? 'unknown' : 'nothing',
  });
}

export function abortedByCaller(options: {
  acted: 'nothing' | 'unknown';
  cause: unknown;
}): VerdictError {
  return new VerdictError('ABORTED_BY_CALLER', 'The caller gave the call up.', {
    ...options,
    retryable: false,
  });
}

/** Nothing was done, and the same again would be refused again. */
export function refusal(
  code: VerdictErrorCode,
  message: string,
  more: Pick<VerdictErrorDetails, 'txid' | 'cause'> = {},
): VerdictError {
  return new VerdictError(code, message, { ...more, retryable: false, acted: 'nothing' });
}

export function closedError(what: string): VerdictError {
  return refusal('CLOSED', `The ${what} is closed. Make a new one.`);
}

/** Whether what was thrown is a VerdictError of this copy of the package. */
export function isVerdictError(error: unknown): error is VerdictError {
  return error instanceof VerdictError;
}

/** Whether the same request may succeed later or elsewhere, by the catalogue alone. */
export function isRequestRetryable(error: unknown): error is VerdictError {
  if (!isVerdictError(error)) return false;
  const { retryable, aborted } = entryOf(error.code);
  return retryable && aborted !== true;
}

export function entryOf(code: VerdictErrorCode): ErrorEntry {
  return code in peerErrorCatalogue
    ? peerErrorCatalogue[code as PeerErrorCode]
    : errorCatalogue[code as ErrorCode];
}
