/**
 * What a cluster agrees on forever, written by its first node.
 *
 * Two first nodes may start together with different options: the put asks, in the same transaction,
 * that nothing at all is there below the cluster's prefix. One of them wins, and the other reads
 * what it must agree with. The same compare refuses a cluster whose `meta` alone was deleted:
 * starting it anew over its old records would hand out a generation that was in use.
 */
import { requestShardFunction } from '../../core/request-shard.ts';
import { maxGeneration, maxShards } from '../../core/txid.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import type { Random } from '../../ports/random.ts';
import { assertMadeWith, logHeader, newMeta, type WantedMeta } from '../state.ts';
import { assertPart, shardsIn } from './part.ts';
import { setBackFormat } from './quarantine.ts';
import { decodeMeta, encodeMeta, type MetaValue, unreadable } from './records.ts';
import {
  found,
  get,
  type KeyValue,
  modIs,
  noneIn,
  put,
  remove,
  type TxnResult,
} from './requests.ts';
import { apart, apartFormat, putSecret, secretOf } from './secret.ts';
import type { EtcdStore } from './store.ts';

/** As it is in etcd, and as everyone may read it: what is written back is this and nothing more. */
export type EtcdMeta = Omit<MetaValue, 'requestShard'>;

/** Of a meta with a mark: a program that does not know marks must not take it for a whole log. */
const markedFormat = 2;

export interface SeenMeta {
  readonly meta: EtcdMeta;
  /** The revision of the key: a new leader compares it. */
  readonly modRevision: string;
  readonly header: TxnResult['header'];
}

/** As a node has it. */
export interface AgreedMeta extends SeenMeta {
  readonly txidSecret: string;
}

export async function agreeOnMeta(
  store: EtcdStore,
  wanted: WantedMeta & { readonly random: Random },
): Promise<AgreedMeta> {
  const { cluster: _, ...asked } = wanted;
  const { shards, random } = asked;
  if (shards !== undefined && !(Number.isInteger(shards) && shards >= 1 && shards <= maxShards)) {
    throw new DecisionLogError(`A cluster has from 1 to ${maxShards} shards; ${shards} cannot be.`);
  }
  const { responses } = await store.insist({ success: [get(store.keys.meta)] });
  if (found(responses, 0) === null) {
    const { kind: _, txidSecret, ...value } = newMeta(wanted, random);
    const meta = apart(value, txidSecret);
    await store.insist({
      compare: [noneIn(store.keys.everything)],
      success: [put(store.keys.meta, encodeMeta(meta)), ...putSecret(store.keys, meta, txidSecret)],
    });
  }
  const stored = await readAgreed(store);
  assertPart(store, stored.meta);
  const text = { log: 'The cluster in etcd', otherwise: 'a cluster of another name' };
  assertMadeWith(stored.meta, asked, text);
  return stored;
}

async function readAgreed(store: EtcdStore): Promise<AgreedMeta> {
  const { meta: key, secret } = store.keys;
  const { responses, header } = await store.insist({ success: [get(key), get(secret)] });
  const kv = found(responses, 0);
  const meta = metaOf(kv);
  const txidSecret = secretOf(meta, found(responses, 1));
  return { meta, txidSecret, modRevision: kv?.mod_revision ?? '0', header };
}

/** Without the secret: for those who may not read it. */
export async function readMeta(store: EtcdStore): Promise<SeenMeta> {
  const { responses, header } = await store.insist({ success: [get(store.keys.meta)] });
  const kv = found(responses, 0);
  return { meta: metaOf(kv), modRevision: kv?.mod_revision ?? '0', header };
}

/** Etcd is there, and nothing by the cluster's name is. */
export class NoClusterError extends DecisionLogError {
  override readonly name = 'NoClusterError';
}

/** Throws where this program must not work on what is there. */
export function metaOf(kv: KeyValue | null): EtcdMeta {
  if (kv === null) {
    throw new NoClusterError(
      'The cluster has no `meta` in etcd, or it was deleted. Check the name of the cluster and the endpoints; if it was deleted, restore etcd from a backup.',
    );
  }
  const { requestShard, ...meta } = decodeMeta(kv.value);
  const newest = formatOf(meta);
  if (meta.formatVersion > newest) {
    throw new DecisionLogError(
      `The cluster ${meta.cluster} in etcd has format ${meta.formatVersion}; this program reads up to ${newest}. Start the newer program.`,
    );
  }
  if (requestShard !== requestShardFunction) {
    throw new DecisionLogError(
      `The cluster ${meta.cluster} spreads requests over its shards by ${requestShard}, which this program does not know. Start the program that made it.`,
    );
  }
  if ((meta.txidSecret === null) !== (meta.secretPrint !== undefined)) throw unreadable('meta');
  return meta;
}

/** As old as can be: programs of before must go on with logs of before. */
function formatOf({ secretPrint, setBack, part }: EtcdMeta): number {
  if (secretPrint !== undefined) return apartFormat;
  if (setBack !== undefined) return setBackFormat;
  return part === undefined ? logHeader.formatVersion : markedFormat;
}

/**
 * After a restore of etcd from an older state, with all nodes stopped: every later epoch is above
 * all that were given out before, whatever revisions etcd repeats. Returns the new generation.
 *
 * The leader keys go in the same transaction. The old copy may hold one under which a node led that
 * was paused ever since: its lease comes back with the key, the fence finds the key it knows, and a
 * commit could be written that others presumed aborted meanwhile.
 */
export async function raiseGeneration(store: EtcdStore): Promise<number> {
  for (let wanted: number | null = null; ; ) {
    const { meta: there, modRevision } = await readMeta(store);
    wanted ??= there.generation + 1;
    // Another's, or this one's own first attempt whose answer was lost.
    if (there.generation >= wanted) return there.generation;
    if (wanted > maxGeneration)
      throw new DecisionLogError('The generation cannot be raised further.');
    const { setBack: _, ...kept } = there;
    const raised = { formatVersion: formatOf(kept), generation: wanted };
    const meta = { ...kept, requestShard: requestShardFunction, ...raised };
    await store.insist({
      compare: [modIs(store.keys.meta, modRevision)],
      success: [
        put(store.keys.meta, encodeMeta(meta)),
        ...shardsIn(meta).map((shard) => remove(store.keys.shard(shard).leader)),
      ],
    });
  }
}
