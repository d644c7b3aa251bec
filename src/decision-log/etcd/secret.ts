/**
 * The key of txids, in a key of its own beside `meta`: whoever ends doubts reads `meta`, and could
 * make up txids with it, and the share of every transaction that it hears of.
 *
 * - Put with `meta`, in one transaction, and never again (!): a new one would fit no txid that is
 *   in doubt, and each of them would be refused forever. A node that does not find it ends.
 * - Its key sorts before every other that an account is given alone (!): until 3.5.33 and 3.6.14
 *   whoever may read one key may watch all that come after it (etcd's GHSA-xg4h-6gfc-h4m8).
 * - `meta` has its print. So one of another cluster, or of another copy, is not taken for it.
 * - What is written back into `meta` never has it: it is kept apart from what was read there.
 */
import { DecisionLogError } from '../../ports/decision-log.ts';
import { isSecret } from '../../system/secret.ts';
import { secretPrint } from '../../system/txid-seal.ts';
import type { EtcdKeys } from './keys.ts';
import { decodeSecret, encodeSecret, type MetaValue } from './records.ts';
import { type KeyValue, type Op, put } from './requests.ts';

/** Of a meta without the secret: a program that looks for it there must keep off. */
export const apartFormat = 4;

type Held = Pick<MetaValue, 'cluster' | 'clusterId' | 'txidSecret' | 'secretPrint'>;

/** The same meta without it. */
export function apart<Meta extends object>(
  meta: Meta,
  txidSecret: string,
): Meta & Pick<MetaValue, 'formatVersion' | 'txidSecret' | 'secretPrint'> {
  const print = secretPrint(txidSecret);
  return { ...meta, formatVersion: apartFormat, txidSecret: null, secretPrint: print };
}

/** Goes with the first `meta`: nothing where that has the secret itself. */
export function putSecret(
  keys: EtcdKeys,
  { clusterId, txidSecret: inMeta }: Held,
  txidSecret: string,
): readonly Op[] {
  return inMeta === null ? [put(keys.secret, encodeSecret({ clusterId, txidSecret }))] : [];
}

/** Throws where a running node reads of another than it began with. */
export function assertSecretIs(before: Held, now: Held): void {
  if (
    now.secretPrint === before.secretPrint &&
    isSecret(now.txidSecret ?? '', before.txidSecret ?? '')
  )
    return;
  throw new DecisionLogError(
    `The cluster ${now.cluster} in etcd has another secret than it had when this node started. Its \`meta\` was written by someone else, or is of another copy: restore etcd from a backup.`,
  );
}

/** Throws where it is missing, or not the one that the cluster was made with. */
export function secretOf(meta: Held, kv: KeyValue | null): string {
  const { cluster, clusterId } = meta;
  if (meta.txidSecret !== null) {
    if (kv === null) return meta.txidSecret;
    throw new DecisionLogError(
      `The cluster ${cluster} has a key \`issuing-secret\` in etcd, and another one in its \`meta\`. Someone has written one of them: look at who may, and restore etcd from a backup.`,
    );
  }
  if (kv === null) {
    throw new DecisionLogError(
      `The cluster ${cluster} has no key \`issuing-secret\` in etcd: it was deleted, or left out of a restore. No other fits its txids, so none is made. Put it back from a backup, as "The secret of a cluster" in docs/OPERATING.md says.`,
    );
  }
  const { clusterId: of, txidSecret } = decodeSecret(kv.value);
  if (of === clusterId && secretPrint(txidSecret) === meta.secretPrint) return txidSecret;
  throw new DecisionLogError(
    `The key \`issuing-secret\` in etcd is not the one that the cluster ${cluster} was made with. Put the right one back from a backup, as "The secret of a cluster" in docs/OPERATING.md says.`,
  );
}
