/** What the decision log says, by the rules of txids and request ids. */
import { unscoped } from '../../../src/core/scope.ts';
import { epochOf, isTxid, positionZero } from '../../../src/core/txid.ts';
import type { LoggedOutcomes } from '../../launcher/etcd-contents.ts';

/**
 * What the decision log says was committed: by txid, with the request id it was committed under.
 */
export function committedIn(log: LoggedOutcomes): ReadonlyMap<string, string | null> {
  const committed = new Map<string, string | null>();
  for (const { txid, outcome, requestId } of [...log.decisions, ...log.finished]) {
    if (outcome !== 'commit') continue;
    committed.set(txid, requestId === undefined ? null : unscoped(requestId));
  }
  return committed;
}

/** Whether records have gone from it already. */
export function hasCollected(log: LoggedOutcomes): boolean {
  return log.floor !== positionZero;
}

/**
 * The leadership under which it began; later ones have greater epochs. Null for what is no txid.
 */
export function epochIn(txid: string | null): string | null {
  return txid !== null && isTxid(txid) ? epochOf(txid) : null;
}
