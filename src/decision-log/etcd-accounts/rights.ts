/**
 * What each kind of process may do in etcd, key by key (docs/OPERATING.md, "Accounts at etcd").
 *
 *   node         reads and writes all that the cluster has: who may write decisions may decide
 *   participant  reads what ends a doubt: `meta`, decisions, finished, floor, leader, retired
 *   resolver     the same, and writes decisions: a participant with `resolve`
 *   operator     the same, and `meta` and the leader keys: `verdict decision --resolve`,
 *                `verdict raise-generation`, which reads who is up
 *
 * - Etcd checks keys and no values: who may write an abort may write a commit. So a participant has
 *   that only where it was given `resolve`.
 * - The secret with which txids and shares are made is read by nodes alone (etcd/secret.ts).
 * - A node compares that nothing at all is there below the prefix, before it makes a cluster: that
 *   alone takes the right to read all of it.
 */
import { EtcdKeys, type KeyRange } from '../etcd/keys.ts';

export const accountKinds = ['node', 'participant', 'resolver', 'operator'] as const;
export type AccountKind = (typeof accountKinds)[number];

export type Permission = 'read' | 'write' | 'readwrite';

export interface Right {
  readonly permission: Permission;
  readonly key: Buffer;
  /** Empty: this key alone. */
  readonly rangeEnd: Buffer;
}

export interface Place {
  readonly cluster: string;
  /** The shards that this etcd is for. */
  readonly first: number;
  readonly last: number;
}

export function rightsOf(kind: AccountKind, { cluster, first, last }: Place): readonly Right[] {
  const keys = new EtcdKeys(cluster);
  if (kind === 'node') return [range('readwrite', keys.everything)];
  const decisions: Permission = kind === 'participant' ? 'read' : 'readwrite';
  const isOperator = kind === 'operator';
  const shards = Array.from({ length: last - first + 1 }, (_, at) => keys.shard(first + at));
  return [
    one(isOperator ? 'readwrite' : 'read', keys.meta),
    range('read', keys.retired),
    ...(isOperator ? [range('read', keys.nodes)] : []),
    ...shards.flatMap((shard) => [
      range(decisions, shard.decisions),
      range('read', shard.finished),
      one('read', shard.floor),
      one(isOperator ? 'readwrite' : 'read', shard.leader),
    ]),
  ];
}

/** The role, and by default the user. No kind ends another's name, so no two clusters share one. */
export function accountName(cluster: string, kind: AccountKind): string {
  return `verdict-${cluster}-${kind}`;
}

export function allows(rights: readonly Right[], wanted: 'read' | 'write', key: Buffer): boolean {
  return rights.some(
    ({ permission, key: from, rangeEnd }) =>
      (permission === 'readwrite' || permission === wanted) &&
      (rangeEnd.length === 0
        ? from.equals(key)
        : from.compare(key) <= 0 && key.compare(rangeEnd) < 0),
  );
}

export function sameRight(a: Right, b: Right): boolean {
  return sameKeys(a, b) && a.permission === b.permission;
}

/** Etcd keeps one permission for a range, and the last one granted is it. */
export function sameKeys(a: Right, b: Right): boolean {
  return a.key.equals(b.key) && a.rangeEnd.equals(b.rangeEnd);
}

export function rightText({ permission, key, rangeEnd }: Right): string {
  const how = { read: 'read', write: 'write', readwrite: 'read and write' }[permission];
  const from = key.toString();
  if (rangeEnd.length === 0) return `${how} ${from}`;
  const isPrefix = from.endsWith('/') && rangeEnd.equals(Buffer.from(`${from.slice(0, -1)}0`));
  return isPrefix ? `${how} all below ${from}` : `${how} from ${from} to ${rangeEnd.toString()}`;
}

function one(permission: Permission, key: Buffer): Right {
  return { permission, key, rangeEnd: Buffer.of() };
}

function range(permission: Permission, { key, range_end: rangeEnd }: KeyRange): Right {
  return { permission, key, rangeEnd };
}
