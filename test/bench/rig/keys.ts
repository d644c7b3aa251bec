/** What lies in the stores of a cluster, looked at from outside while their owners go on. */
import { Etcd3 } from 'etcd3';
import { open, type RootDatabase } from 'lmdb';
import { EtcdKeys } from '../../../src/decision-log/etcd/keys.ts';
import { shardPrefix } from '../../../src/decision-log/state.ts';
import { type BenchCluster, clusterName } from './bench-cluster.ts';

/** In the decision log; the cluster has one shard. */
export async function keysInLog({ etcd, logPath }: BenchCluster): Promise<number> {
  if (etcd === null) return keysInStore(logPath);
  return withEtcd(etcd.endpoints, async ({ kv }, { everything }) => {
    const { count } = await kv.range({ ...everything, count_only: true });
    return Number(count);
  });
}

export function keysInStore(path: string): number {
  return withStore(path, (database) => {
    const { entryCount } = database.getStats() as { entryCount: number };
    return entryCount;
  });
}

/** Whether a decision is left that someone has not acknowledged, or that has not moved yet. */
export async function hasDecisions({ etcd, logPath }: BenchCluster): Promise<boolean> {
  const start = shardPrefix('decisions', 0);
  if (etcd === null) {
    return withStore(logPath, (database) => {
      const found = [...database.getKeys({ start, end: `${start}\uffff`, limit: 1 })];
      return found.length > 0;
    });
  }
  return withEtcd(etcd.endpoints, async ({ kv }, keys) => {
    const { decisions } = keys.shard(0);
    const { kvs } = await kv.range({ ...decisions, limit: 1, keys_only: true });
    return kvs.length > 0;
  });
}

function withStore<T>(path: string, read: (database: RootDatabase<Buffer, string>) => T): T {
  const database = open<Buffer, string>({
    path,
    noSubdir: true,
    readOnly: true,
    encoding: 'binary',
  });
  try {
    return read(database);
  } finally {
    void database.close();
  }
}

async function withEtcd<T>(
  endpoints: readonly string[],
  read: (client: Etcd3, keys: EtcdKeys) => Promise<T>,
): Promise<T> {
  const client = new Etcd3({ hosts: [...endpoints] });
  try {
    return await read(client, new EtcdKeys(clusterName));
  } finally {
    client.close();
  }
}
