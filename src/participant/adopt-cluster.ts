/** An operator's word that the decision log was made anew: what is in doubt ends as told, then the journal serves the new cluster. */

import type { Journal, JournalEntry } from '../ports/journal.ts';
import type { BranchCall, Resource } from '../ports/resource.ts';
import type { ParticipantSettings } from './options.ts';

type Adoption = NonNullable<ParticipantSettings['adoptCluster']>;

/** Rejects with JournalError, the cluster being as it was, where a branch is in doubt whose outcome was not told. */
export async function adoptCluster(
  adoption: Adoption,
  { journal, resource }: { readonly journal: Journal; readonly resource: Resource },
): Promise<void> {
  const { entries, cluster } = await journal.load();
  if (cluster?.id === adoption.id) return;
  for (const entry of entries) await end(entry, told(entry, adoption), { journal, resource });
  await journal.rebind(adoption.id);
}

function told(
  { state, txid }: JournalEntry,
  { inDoubt = {} }: Adoption,
): 'commit' | 'rollback' | null {
  // Nothing was promised for it yet.
  if (state === 'started') return 'rollback';
  return state === 'prepared' ? (inDoubt[txid] ?? null) : null;
}

async function end(
  { txid, branch, payload }: JournalEntry,
  outcome: 'commit' | 'rollback' | null,
  { journal, resource }: { readonly journal: Journal; readonly resource: Resource },
): Promise<void> {
  const call: BranchCall<unknown> = { txid, branch, payload, instance: journal.instance };
  if (outcome === 'commit') {
    await resource.commit(call);
    await journal.committed(call);
  } else if (outcome === 'rollback') {
    await resource.rollback(call);
    await journal.tombstone(call);
  }
}
