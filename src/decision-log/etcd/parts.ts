/** The etcds of a map of shards, each as the part that it is to be. */
import type { EtcdAccess } from './client.ts';
import { type EtcdPart, etcdParts } from './endpoints.ts';
import type { WantedPart } from './part.ts';

export interface PartAccess extends EtcdPart {
  readonly part: WantedPart;
}

/** Null where one etcd has all. */
export function partsOf(
  access: Pick<EtcdAccess, 'endpoints' | 'connect'>,
): readonly PartAccess[] | null {
  // Where a simulation makes the connections, the names are its own.
  const parts = access.connect === undefined ? etcdParts(access.endpoints) : null;
  if (parts === null) return null;
  const lasts = parts.map(({ last }) => last);
  return parts.map((part, index) => ({
    ...part,
    part: { index, lasts, endpoints: part.endpoints },
  }));
}
