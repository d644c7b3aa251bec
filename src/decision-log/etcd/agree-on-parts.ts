/**
 * The first start of a cluster over several etcds, and what every later one looks for.
 *
 * No transaction spans two etcds, so the marks are made in steps that each starter may repeat:
 *
 *   first etcd: meta and secret, not sealed --> every other: the same with a mark of its own, not
 *     sealed, under a random id
 *     --> first etcd: sealed, with the ids of all --> every other: sealed, where its id is listed
 *
 * - Sealed in the first means that all were marked. One without a mark then was lost, and is not
 *   made anew (!): its absence would say "abort" of what it had committed.
 * - A mark that lands late, in an etcd that was lost since, has an id that is not listed. No one
 *   seals it, and who reads believes sealed marks alone.
 */
import { requestShardFunction } from '../../core/request-shard.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import type { Random } from '../../ports/random.ts';
import { isSecret } from '../../system/secret.ts';
import { assertMadeWith, newMeta, type WantedMeta } from '../state.ts';
import { type AgreedMeta, type EtcdMeta, metaOf } from './meta.ts';
import { assertMark, shardsOf, type WantedPart } from './part.ts';
import { encodeMeta, type PartMark } from './records.ts';
import { found, get, modIs, noneIn, put } from './requests.ts';
import { apart, putSecret, secretOf } from './secret.ts';
import type { EtcdStore } from './store.ts';

export interface PartStore {
  readonly store: EtcdStore;
  readonly part: WantedPart;
}

type MarkedMeta = EtcdMeta & { readonly part: PartMark };
interface Marked extends AgreedMeta {
  readonly meta: MarkedMeta;
}

const idDigits = 20;

/** In the order of the parts. */
export async function agreeOnParts(
  parts: readonly PartStore[],
  wanted: WantedMeta & { readonly random: Random },
): Promise<readonly AgreedMeta[]> {
  const { cluster: _, ...asked } = wanted;
  const [home, ...others] = parts;
  if (home === undefined) throw new DecisionLogError('A map of shards has at least one range.');
  // The first one first (!): sealed there, the others were marked before.
  let first = await look(home);
  const seen = await Promise.all(others.map(look));
  // Where another has made all between: the first one was before the others.
  if (first === null && seen.some((mark) => mark !== null)) first = await look(home);
  if (first === null && seen.some((mark) => mark !== null)) throw lost(home);
  const gone = others.find((_other, at) => seen[at] === null);
  if (first?.meta.part.sealed === true && gone !== undefined) throw lost(gone);
  first ??= await makeFirst(home, wanted);
  const text = { log: 'The cluster in etcd', otherwise: 'a cluster of another name' };
  assertMadeWith(first.meta, asked, text);
  const { meta, txidSecret } = first;
  const marks = await Promise.all(
    others.map(async (other, at) => {
      const { generation: _generation, ...same } = meta;
      const value = { ...same, generation: 0, part: newMark(other, wanted.random) };
      const mark = seen[at] ?? (await make(other, value, txidSecret));
      assertSameCluster(other, mark, first);
      return mark;
    }),
  );
  const sealedHome = await seal(home, first, [
    meta.part.id,
    ...marks.map((mark) => mark.meta.part.id),
  ]);
  const ids = sealedHome.meta.part.ids ?? [];
  const sealed = await Promise.all(
    marks.map(async (mark, at) => {
      const other = others[at] as PartStore;
      if (mark.meta.part.id !== ids[at + 1]) throw lost(other);
      return seal(other, mark);
    }),
  );
  return [sealedHome, ...sealed];
}

async function look({ store, part }: PartStore): Promise<Marked | null> {
  const { meta: key, secret } = store.keys;
  const { responses, header } = await store.insist({ success: [get(key), get(secret)] });
  const kv = found(responses, 0);
  if (kv === null) return null;
  const meta = metaOf(kv);
  assertMark({ part }, meta);
  const txidSecret = secretOf(meta, found(responses, 1));
  return { meta: meta as MarkedMeta, txidSecret, modRevision: kv.mod_revision, header };
}

function makeFirst(
  home: PartStore,
  wanted: WantedMeta & { readonly random: Random },
): Promise<Marked> {
  const { random } = wanted;
  const shards = (home.part.lasts.at(-1) ?? 0) + 1;
  const { kind: _, txidSecret, requestShard: _r, ...meta } = newMeta({ ...wanted, shards }, random);
  return make(home, { ...apart(meta, txidSecret), part: newMark(home, random) }, txidSecret);
}

/** In the form that the first etcd has: the secret in `meta`, or in a key of its own. */
async function make(place: PartStore, meta: MarkedMeta, txidSecret: string): Promise<Marked> {
  const { store } = place;
  const value = encodeMeta({ ...meta, requestShard: requestShardFunction });
  await store.insist({
    // A cluster whose `meta` alone was deleted is refused, not made anew.
    compare: [noneIn(store.keys.everything)],
    success: [put(store.keys.meta, value), ...putSecret(store.keys, meta, txidSecret)],
  });
  const made = await look(place);
  if (made === null) throw lost(place);
  return made;
}

/** `ids`: of all, for the first. What another has sealed stays as it is. */
async function seal(place: PartStore, mark: Marked, ids?: readonly string[]): Promise<Marked> {
  if (mark.meta.part.sealed) return mark;
  const { store } = place;
  const part = { ...mark.meta.part, sealed: true, ...(ids === undefined ? {} : { ids }) };
  const value = encodeMeta({ ...mark.meta, requestShard: requestShardFunction, part });
  await store.insist({
    compare: [modIs(store.keys.meta, mark.modRevision)],
    success: [put(store.keys.meta, value)],
  });
  const now = await look(place);
  if (now === null || now.meta.part.id !== part.id || !now.meta.part.sealed) throw lost(place);
  return now;
}

function newMark({ part: { index, lasts } }: PartStore, random: Random): PartMark {
  return { id: random.token(idDigits), index, lasts, sealed: false };
}

function assertSameCluster({ part }: PartStore, mark: Marked, home: Marked): void {
  const { meta: here } = mark;
  const { meta: first } = home;
  const names = ['clusterId', 'secretPrint', 'shards', 'requestWindowMs'] as const;
  const isSame = names.every((name) => here[name] === first[name]);
  if (isSame && isSecret(mark.txidSecret, home.txidSecret)) return;
  throw new DecisionLogError(
    `Etcd at ${part.endpoints.join(', ')} has ${shardsOf(part)} of another cluster ${first.cluster}, with the id ${here.clusterId}; the first range's etcd has ${first.clusterId}. Give each range the etcd that it was made with.`,
  );
}

function lost({ part, store }: PartStore): DecisionLogError {
  const prefix = store.keys.everything.key.toString();
  return new DecisionLogError(
    `Etcd at ${part.endpoints.join(', ')} does not have ${shardsOf(part)} of this cluster, which other etcds of it say it had. Check its addresses; if it was emptied or made anew, restore it from a backup, as "Several etcd clusters" in docs/OPERATING.md says. Only if this cluster never ran: remove what is below ${prefix} in each etcd, and start again.`,
  );
}
