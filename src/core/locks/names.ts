/** Lock keys of one group are their own: two groups that share a shard do not share keys. */

/** Where a transaction names none. Whoever competes must name the same: its hash is the shard whose leader they meet. */
export const defaultLockGroup = 'default';

/** Neither a group nor a key holds a control character. */
const between = '\n';

export function lockName(group: string, key: string): string {
  return `${group}${between}${key}`;
}

export function lockNameParts(name: string): { group: string; key: string } {
  const at = name.indexOf(between);
  return { group: name.slice(0, at), key: name.slice(at + 1) };
}
