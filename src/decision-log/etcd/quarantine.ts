/**
 * A log that was set back stands still until an operator has acted (docs/PROTOCOL.md, section 6,
 * restore): the mark in it says so, to nodes that cannot see it for themselves.
 *
 * The interleaving: etcd loses three revisions, and every node halts. Their leases run out, and
 * each takes a revision with it. A supervisor starts the nodes again, etcd is at the revision that
 * they have in their files, and nothing tells it from the one that they knew. Or a node starts
 * whose file was lost. Data that is brought back does not have the mark, and is believed at once.
 */
import type { EtcdClients } from './clients.ts';
import type { EtcdKeys } from './keys.ts';
import { decodeMeta, encodeMeta, type MetaValue } from './records.ts';
import { found, get, modIs, put, remove } from './requests.ts';
import { type Regress, setBackError } from './witness.ts';

export interface Quarantined {
  readonly clients: EtcdClients;
  readonly keys: EtcdKeys;
  readonly atMs: number;
}

/**
 * The leader keys go in the same transaction: a node that noticed nothing decides nothing more, and
 * finds the mark when it campaigns. A log that was made anew, or whose generation was raised, is
 * not the one that was set back.
 */
export async function quarantine(
  { clients, keys, atMs }: Quarantined,
  { log, generation, known, seen }: Regress,
): Promise<void> {
  for (;;) {
    const { responses } = await clients.kv.call((client) =>
      client.kv.txn({ success: [get(keys.meta)] }),
    );
    const there = found(responses, 0);
    if (there === null) return;
    const meta = decodeMeta(there.value);
    if (meta.clusterId !== log || meta.generation !== generation || meta.setBack !== undefined)
      return;
    const marked: MetaValue = { ...meta, setBack: { known, seen, atMs } };
    const { succeeded } = await clients.kv.call((client) =>
      client.kv.txn({
        compare: [modIs(keys.meta, there.mod_revision)],
        success: [
          put(keys.meta, encodeMeta(marked)),
          ...Array.from({ length: meta.shards }, (_, shard) => remove(keys.shard(shard).leader)),
        ],
      }),
    );
    if (succeeded) return;
  }
}

/** Throws where a node has found this log set back. */
export function assertNotSetBack({
  setBack,
  clusterId: log,
}: Pick<MetaValue, 'setBack' | 'clusterId'>): void {
  if (setBack === undefined) return;
  const { known, seen, atMs } = setBack;
  // biome-ignore lint/style/noRestrictedGlobals: it formats a time, and takes none.
  const when = new Date(atMs).toISOString();
  throw setBackError(`its revision was ${known} and was ${seen} on ${when}, when it was marked`, {
    kind: 'mark',
    log,
    known,
  });
}
