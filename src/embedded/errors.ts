/** The errors of the library mode: the codes of the catalogue, and texts for people. */

import type { ErrorMessage } from '../core/messages.ts';
import { thrownText } from '../core/thrown.ts';
import {
  errorFromMessage,
  OutcomeUnknownError,
  refusal,
  VerdictError,
} from '../peer/verdict-error.ts';
import { fitText } from '../wire/utf8.ts';

const maxThrownBytes = 512;

/** The text of whatever an application threw, within bounds. */
export function textOf(error: unknown): string {
  return fitText(thrownText(error), maxThrownBytes);
}

export function fromErrorMessage(message: ErrorMessage): VerdictError {
  return message.code === 'OUTCOME_UNKNOWN'
    ? new OutcomeUnknownError(message.message, { txid: message.txid })
    : errorFromMessage(message);
}

export function unknownTransaction(txid: unknown): VerdictError {
  const shown = typeof txid === 'string' ? JSON.stringify(fitText(txid, 80)) : `a ${typeof txid}`;
  return refusal(
    'UNKNOWN_TRANSACTION',
    `There is no transaction ${shown}: use an id that beginTransaction returned.`,
  );
}

export function notLeading(what: string): VerdictError {
  return new VerdictError(
    'NOT_LEADER',
    `${what} Another process leads, or none does yet: try again, there or here.`,
    { retryable: true, acted: 'nothing' },
  );
}

/** A store or an invariant failed: nothing may be decided here any more. */
export function broken(cause: unknown): VerdictError {
  return new VerdictError(
    'INTERNAL',
    `The coordinator met a fault and decides nothing any more: ${textOf(cause)} Start the process again and call recover.`,
    { retryable: false, acted: 'unknown', cause },
  );
}
