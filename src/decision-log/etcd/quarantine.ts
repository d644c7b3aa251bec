/**
 * A log that was set back stands still until an operator has acted (docs/PROTOCOL.md, section 6,
 * restore): the mark in it says so, to nodes that cannot see it for themselves.
 *
 * The interleaving: etcd loses three revisions, and every node halts. Their leases run out, and
 * each takes a revision with it. A supervisor starts the nodes again, etcd is at the revision that
 * they have in their files, and nothing tells it from the one that they knew. Or a node starts
 * whose file was lost. Data that is brought back does not have the mark, and is believed at once.
 *
 * Only nodes mark, which keep a file. A participant may have read the older state alone, and would
 * mark the newest when it is back.
 */
import { EtcdPermissionDeniedError } from 'etcd3';
import type { Clock } from '../../ports/clock.ts';
import { pause } from '../../system/pause.ts';
import type { EtcdStub } from './client.ts';
import type { EtcdClients } from './clients.ts';
import type { EtcdKeys } from './keys.ts';
import { decodeMeta, encodeMeta, type MetaValue } from './records.ts';
import { found, get, modIs, put, remove } from './requests.ts';
import { type Regress, setBackError } from './witness.ts';

export interface QuarantineOptions {
  readonly clients: EtcdClients;
  readonly keys: EtcdKeys;
  readonly clock: Clock;
  readonly node: string;
  readonly signal: AbortSignal;
}

/** Of a marked meta: a program that does not know the mark must not lead in such a log. */
export const setBackFormat = 3;
const retryMs = 100;

/** Tries until `signal` aborts: etcd may only just have come back. */
export async function quarantine(options: QuarantineOptions, regress: Regress): Promise<void> {
  const { clients, clock, signal } = options;
  for (;;) {
    try {
      // Both through one client: the other end may be another etcd.
      if (await clients.kv.call((client) => mark(client, options, regress))) return;
    } catch (error) {
      if (error instanceof EtcdPermissionDeniedError) throw error;
    }
    await pause(clock, retryMs, signal);
  }
}

/**
 * The leader keys go in the same transaction: a node that noticed nothing decides nothing more, and
 * finds the mark when it campaigns. False where another has written meanwhile.
 */
async function mark(
  client: EtcdStub,
  { keys, clock, node, signal }: QuarantineOptions,
  regress: Regress,
): Promise<boolean> {
  const { responses } = await client.kv.txn({ success: [get(keys.meta)] });
  const there = found(responses, 0);
  if (there === null) return true;
  const meta = decodeMeta(there.value);
  if (!concerns(regress, meta)) return true;
  signal.throwIfAborted();
  const { known, seen } = regress;
  const marked: MetaValue = {
    ...meta,
    // One above stays (!): whoever knows that, knows the mark, and no other may write into it.
    formatVersion: Math.max(meta.formatVersion, setBackFormat),
    setBack: { node, known, seen, atMs: clock.wallMs() },
  };
  const { succeeded } = await client.kv.txn({
    compare: [modIs(keys.meta, there.mod_revision)],
    success: [
      put(keys.meta, encodeMeta(marked)),
      ...Array.from({ length: meta.shards }, (_, shard) => remove(keys.shard(shard).leader)),
    ],
  });
  return succeeded;
}

/** A log that was made anew, or whose generation was raised, is not the one that was set back. */
function concerns({ log, generation, known, isLive }: Regress, meta: MetaValue): boolean {
  if (meta.clusterId !== log || meta.generation > generation) return false;
  // A copy from before the generation was raised; a file may be of a raised copy elsewhere.
  if (meta.generation < generation) return isLive && meta.setBack === undefined;
  return meta.setBack === undefined || BigInt(meta.setBack.known) < BigInt(known);
}

/** Throws where a node has found this log set back. */
export function assertNotSetBack({
  setBack,
  clusterId: log,
  generation,
}: Pick<MetaValue, 'setBack' | 'clusterId' | 'generation'>): void {
  if (setBack === undefined) return;
  const { node, known, seen, atMs } = setBack;
  // biome-ignore lint/style/noRestrictedGlobals: it formats a time, and takes none.
  const when = new Date(atMs).toISOString();
  throw setBackError(`node ${node} knew revision ${known}, saw ${seen} on ${when}, and marked it`, {
    kind: 'mark',
    log,
    generation,
    known,
  });
}
