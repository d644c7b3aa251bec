/**
 * Which shard a request id or a lock group belongs to. The name of the function and of its text is
 * in the log's `meta`: were either to change, a request sent again would not find its commit.
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
