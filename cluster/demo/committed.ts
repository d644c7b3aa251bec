import { unscoped } from '../../src/core/scope.ts';
import type { LoggedOutcomes } from '../launcher/etcd-contents.ts';

/** What the decision log says was committed: by txid, with the request id it was committed under. */
export function committedIn(log: LoggedOutcomes): ReadonlyMap<string, string | null> {
  const committed = new Map<string, string | null>();
  for (const { txid, outcome, requestId } of [...log.decisions, ...log.finished]) {
    if (outcome !== 'commit') continue;
    committed.set(txid, requestId === undefined ? null : unscoped(requestId));
  }
  return committed;
}
