/** The abort of a transaction that waited for participants without a connection: it names them. */
import { type AbortReason, abortReason } from '../../catalogue.ts';
import type { Transaction } from '../../transaction.ts';
import type { TermState } from '../state.ts';

/** Of so many the names are told: a message has a limit, and a person reads no more. */
const maxNames = 3;

/** Null where every branch that is waited for has a connection. */
export function notConnected(state: TermState, transaction: Transaction): AbortReason | null {
  const names = new Set<string>();
  for (const branch of transaction.branches.values()) {
    if (branch.state === 'unreachable') names.add(branch.participant);
  }
  const [participant] = names;
  if (participant === undefined) return null;
  return abortReason('PARTICIPANT_UNAVAILABLE', {
    participant,
    message: state.connected.has(participant)
      ? `${participant} is stopping, and no other instance of it is connected. Nothing was done.`
      : notConnectedText([...names]),
    retryAfterMs: state.config.options.breakerPauseMs,
  });
}

export function notConnectedText(names: readonly string[]): string {
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : '';
  return `Not connected: ${names.slice(0, maxNames).join(', ')}${more}. Nothing was done. Start what is missing, or compare its name with that in the transaction.`;
}
