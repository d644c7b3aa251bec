/** What it means for a link that it is not welcome, or does not want the node's welcome. */
import type { ErrorMessage } from '../core/messages.ts';
import type { CloseInfo } from '../ports/transport.ts';
import type { Refusal } from './link-options.ts';
import { errorFromMessage, retryAfterMsOf, type VerdictError } from './verdict-error.ts';

export interface Rejection {
  /** It is told as refused: until a token or setting is corrected. Null: it may pass. */
  readonly error: VerdictError | null;
  /** At least, before the next dial. */
  readonly delayMs: number;
  readonly close: Refusal['close'];
}

const refusedDelayMs = 15_000;

const refusals: ReadonlySet<string> = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'UNSUPPORTED_VERSION',
  'JOURNAL_COPIED',
]);

const unauthenticated: ErrorMessage = {
  type: 'error',
  code: 'UNAUTHENTICATED',
  message: 'The token is wrong.',
  retryable: false,
};

/** By a node that refused the upgrade. Null: the dial failed otherwise. */
export function dialRejection(info: CloseInfo): Omit<Rejection, 'close'> | null {
  if (info.status !== 401) return null;
  const { said: message = unauthenticated.message } = info;
  return { error: errorFromMessage({ ...unauthenticated, message }), delayMs: refusedDelayMs };
}

/** By a node that answers the hello with an error. */
export function errorRejection(message: ErrorMessage): Rejection {
  const delayMs = retryAfterMsOf(message) ?? 0;
  const close = { code: 1000, reason: message.message };
  if (!refusals.has(message.code)) return { error: null, delayMs, close };
  return { error: errorFromMessage(message), delayMs: Math.max(delayMs, refusedDelayMs), close };
}

/** By this side, of a node that welcomes. */
export function ownRejection(refusal: Refusal): Rejection {
  return { ...refusal, delayMs: refusedDelayMs };
}
