/** Which shard a request id belongs to. The function's name is in the log's `meta`: it may never change for a cluster. */
export const requestShardFunction = 'fnv1a32';

/** FNV-1a over UTF-16 units, low byte first (Fowler, Noll, Vo). */
export function requestShard(requestId: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < requestId.length; index += 1) {
    const unit = requestId.charCodeAt(index);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return (hash >>> 0) % shards;
}
