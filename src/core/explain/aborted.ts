/** Why a transaction aborted, and what that means: the catalogue's text. */
import { type AbortReason, reasonCatalogue } from '../catalogue.ts';
import type { ExplainedState } from '../messages.ts';
import { said } from './words.ts';

export function isAborted(state: ExplainedState): boolean {
  return state === 'ABORTED' || state === 'ABORTING';
}

/** `CONFLICT by inventory: stale version.` */
export function reasonLine({ code, participant, message }: AbortReason): string {
  const who = participant === undefined ? '' : ` by ${participant}`;
  return `Why: ${code}${who}: ${sentence(said(message))}`;
}

export function reasonAdvice({ code, retryable, retryAfterMs }: AbortReason): string[] {
  const { text, look } = reasonCatalogue[code];
  const after = retryAfterMs === undefined ? '' : `, after ${retryAfterMs} ms`;
  const again = retryable
    ? `The same transaction may commit when it is tried again${after}. Nothing of this one is left.`
    : 'Trying the same again will not help. Nothing of this one is left.';
  return [`${code} means: ${text}`, `If it comes often: ${look}`, again];
}

function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
