/** After the decision log was made anew: doubts end as the operator says, then it is served. */

import { branchId } from '../core/names.ts';
import { epochOf, isTxid, type Txid } from '../core/txid.ts';
import { type JournalEntry, JournalError } from '../ports/journal.ts';
import type { BranchCall } from '../ports/resource.ts';
import { adoptionLine, adoptionVariable } from './adoption-line.ts';
import type { ParticipantContext } from './context.ts';
import { keepsVotes } from './held.ts';
import type { ServeBaseOptions } from './options.ts';

export type Adoption = NonNullable<ServeBaseOptions['adoptCluster']>;

/** Rejects with JournalError, and changes nothing, where a branch in doubt was given no outcome. */
export async function adoptCluster(
  adoption: Adoption,
  { journal, resource, logger }: Pick<ParticipantContext, 'journal' | 'resource' | 'logger'>,
): Promise<void> {
  const { entries: written, cluster } = await journal.load();
  // Left in the settings after it was done; or meant for another participant of this process.
  if (cluster?.id === adoption.id) return;
  if (adoption.from !== undefined && adoption.from !== cluster?.id) return;
  const entries = [...written, ...(await keptAlone(written, { journal, resource }))];
  const untold = entries.filter(
    (entry) => entry.state === 'prepared' && outcomeOf(entry, adoption) === null,
  );
  if (untold.length > 0) throw outcomesMissing(cluster?.id ?? '', adoption, untold);
  for (const entry of entries) await end(entry, outcomeOf(entry, adoption), { journal, resource });
  await journal.rebind(adoption.id);
  logger.warn(
    { from: cluster?.id ?? null, to: adoption.id },
    `The journal serves another cluster from now on, as it was told to: take ${adoptionVariable} (or adoptCluster) out again.`,
  );
}

/** In the store, and of no entry: voted for or not, the store alone has kept it (8.11). */
async function keptAlone(
  written: readonly JournalEntry[],
  { journal, resource }: Pick<ParticipantContext, 'journal' | 'resource'>,
): Promise<JournalEntry[]> {
  if (!keepsVotes(resource)) return [];
  const known = new Set(written.map(branchId));
  const { instance } = journal;
  const held = [...((await resource.inDoubt?.({ instance })) ?? [])];
  return held.flatMap((one) => {
    const { txid, branch, mine = true } = one;
    if (!mine || !isTxid(txid) || known.has(branchId(one))) return [];
    const state = 'prepared';
    return [{ txid, branch, state, epoch: epochOf(txid), witness: null, atMs: 0 }];
  });
}

function outcomeOf(
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
  { journal, resource }: Pick<ParticipantContext, 'journal' | 'resource'>,
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

function outcomesMissing(
  from: string,
  { id, inDoubt = {} }: Adoption,
  untold: readonly { readonly txid: Txid }[],
): JournalError {
  const txids = [...new Set(untold.map(({ txid }) => txid))];
  const line = adoptionLine({ from, to: id, inDoubt, untold: txids });
  return new JournalError(
    `The journal holds ${untold.length} branches in doubt whose outcome was not told, of ${txids.length} transactions; nothing was changed. Find out what became of each (docs/OPERATING.md, "A recreated decision log"), and start again with commit or rollback in place of each question mark: ${line}`,
  );
}
