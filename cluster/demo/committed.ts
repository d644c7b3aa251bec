import type { LoggedOutcomes } from '../launcher/etcd-contents.ts';

/** What the decision log says was committed: by txid, with the request id it was committed under. */
export function committedIn(log: LoggedOutcomes): ReadonlyMap<string, string | null> {
  const committed = new Map<string, string | null>();
  for (const { txid, outcome, requestId } of [...log.decisions, ...log.finished]) {
    if (outcome === 'commit') committed.set(txid, requestId ?? null);
  }
  return committed;
}
