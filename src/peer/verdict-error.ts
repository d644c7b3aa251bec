/**
 * The one error class of both SDKs. Match it by `code`: two copies of this package in one process
 * have two classes, but one set of codes.
 */
import { type ErrorCode, type ErrorFacts, errorFacts } from '../core/codes.ts';
import type { ErrorMessage, LeaderInfo } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';

/** What only this side of the connection can know. */
export const peerErrorCodes = [
  'CONNECTION_LOST',
  'TIMEOUT',
  'ABORTED_BY_CALLER',
  'CLOSED',
  'INVALID_PAYLOAD',
] as const;
/** One of `peerErrorCodes`. */
export type PeerErrorCode = (typeof peerErrorCodes)[number];
/** The codes of a VerdictError; docs/errors.md describes each. Codes stay, messages may change. */
export type VerdictErrorCode = ErrorCode | PeerErrorCode;

/** `acted` is the usual case; the error itself says what holds for it. */
export const peerErrorFacts: Readonly<Record<PeerErrorCode, ErrorFacts>> = {
  CONNECTION_LOST: { retryable: true, acted: 'unknown' },
  TIMEOUT: { retryable: true, acted: 'unknown' },
  ABORTED_BY_CALLER: { retryable: false, acted: 'unknown' },
  CLOSED: { retryable: false, acted: 'nothing' },
  INVALID_PAYLOAD: { retryable: false, acted: 'nothing' },
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
  /** Of a `transact` with one, whose outcome is unknown: sent again, it gets that outcome. */
  readonly requestId?: string | undefined;
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
  /** Of a `transact` with one, whose outcome is unknown: sent again, it gets that outcome. */
  readonly requestId?: string;

  constructor(code: VerdictErrorCode, message: string, details: VerdictErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable;
    this.acted = details.acted;
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
    if (details.leader !== undefined) this.leader = details.leader;
    if (details.txid !== undefined) this.txid = details.txid;
    if (details.requestId !== undefined) this.requestId = details.requestId;
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

  constructor(
    message: string,
    details: Pick<VerdictErrorDetails, 'txid' | 'requestId' | 'cause'> = {},
  ) {
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
    acted: errorFacts[message.code].acted,
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

/** The same, of what did nothing although its answer is missing: `why` says how that is known. */
export function withoutEffect(error: VerdictError, why: string): VerdictError {
  if (error.acted === 'nothing') return error;
  const { code, message, retryable, retryAfterMs, leader, txid, cause = error } = error;
  const details = { retryable, acted: 'nothing', retryAfterMs, leader, txid, cause } as const;
  return new VerdictError(code, `${message} ${why}`, details);
}

/** The same, of what was sent before, too, and got no answer then. */
export function mayHaveActed(error: VerdictError): VerdictError {
  if (error.acted === 'unknown') return error;
  const { code, message, retryable, retryAfterMs, leader, txid, cause = error } = error;
  const details = { retryable, acted: 'unknown', retryAfterMs, leader, txid, cause } as const;
  const text = `${message} It was sent before, and may have been carried out: that got no answer.`;
  return new VerdictError(code, text, details);
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
  const { retryable, aborted } = factsOf(error.code);
  return retryable && aborted !== true;
}

export function factsOf(code: VerdictErrorCode): ErrorFacts {
  return code in peerErrorFacts
    ? peerErrorFacts[code as PeerErrorCode]
    : errorFacts[code as ErrorCode];
}
