/** The etcds of a map of shards, each as the part that it is to be. */
import { DecisionLogError } from '../../ports/decision-log.ts';
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

export function assertShards(shards: number | undefined, parts: readonly EtcdPart[]): void {
  const mapped = (parts.at(-1)?.last ?? -1) + 1;
  if (shards === undefined || shards === mapped) return;
  throw new DecisionLogError(
    `The ranges of etcd are for ${mapped} shards, 0 to ${mapped - 1}, and ${shards} were asked for. Give ranges for each of them, or leave the number out.`,
  );
}
