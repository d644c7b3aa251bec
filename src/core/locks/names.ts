/** Lock keys of one group are their own: two groups that share a shard do not share keys. */
import { scoped } from '../scope.ts';

/** Where none is named. Who competes must name the same: it gives the shard where they meet. */
export const defaultLockGroup = 'default';

/** A group that begins so is the same one for clients of all names. */
export const sharedGroups = 'shared/';

/** A group is its client name's own, unless its own name says that it is for all. */
export function scopedLockGroup(client: string, group: string = defaultLockGroup): string {
  return group.startsWith(sharedGroups) ? group : scoped(client, group);
}

/** No key, and no name or group that a scoped group is made of, holds a control character. */
const between = '\n';

export function lockName(group: string, key: string): string {
  return `${group}${between}${key}`;
}

export function lockNameParts(name: string): { group: string; key: string } {
  const at = name.lastIndexOf(between);
  return { group: name.slice(0, at), key: name.slice(at + 1) };
}
