/**
 * Which shard a request id belongs to, or a lock group. The name, of the function and of what it is taken of, is in the log's
 * `meta`: neither may ever change for a cluster, or a request that is sent again would not find its commit.
 */
export const requestShardFunction = 'fnv1a32-scoped';

/** FNV-1a over UTF-16 units, low byte first (Fowler, Noll, Vo). */
export function requestShard(name: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) {
    const unit = name.charCodeAt(index);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return (hash >>> 0) % shards;
}
