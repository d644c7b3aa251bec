/** Which clusters an etcd holds, for an operator who may have named another one. */
import type { IRangeRequest, IRangeResponse } from 'etcd3';
import { clustersKeys, EtcdKeys } from './keys.ts';

export interface Clusters {
  readonly names: readonly string[];
  /** There are more. */
  readonly truncated: boolean;
}

type Range = (request: IRangeRequest) => Promise<IRangeResponse>;

/** One read for each: from a cluster to the first key behind it. */
export async function clustersIn(range: Range, limit: number): Promise<Clusters> {
  const names: string[] = [];
  let { key } = clustersKeys;
  for (;;) {
    const { kvs } = await range({ ...clustersKeys, key, limit: 1, keys_only: true });
    const [first] = kvs;
    if (first === undefined) return { names, truncated: false };
    if (names.length === limit) return { names, truncated: true };
    const name = first.key.toString().slice(clustersKeys.key.length).split('/')[0] ?? '';
    names.push(name);
    key = new EtcdKeys(name).everything.range_end;
  }
}
