/**
 * Which shards an etcd is for, where ranges of them have etcds of their own: a mark in its `meta`,
 * written once (docs/adr/0006-shards-on-several-etcds.md).
 *
 * The interleaving that matters (!): a node or a reader with another map asks the etcd of other
 * shards for T. Nothing is there, and nothing will be: the absence would say "abort" of a commit.
 * So every reading of a decision reads the mark in the same transaction, and every opener before.
 */
import { DecisionLogError } from '../../ports/decision-log.ts';
import { rangeText } from './endpoints.ts';
import type { PartMark } from './records.ts';

/** The part that an etcd is to be, as this process was given the map. */
export interface WantedPart {
  readonly index: number;
  readonly lasts: readonly number[];
  readonly endpoints: readonly string[];
}

interface Asked {
  /** Null: the whole log is to be here. */
  readonly part: WantedPart | null;
}

interface Found {
  readonly cluster: string;
  readonly part?: PartMark;
}

/** Throws unless this is the etcd of the shards that it is asked for, and in use. */
export function assertPart(asked: Asked, found: Found): void {
  assertMark(asked, found);
  if (found.part === undefined || found.part.sealed) return;
  throw new DecisionLogError(
    `The first start of cluster ${found.cluster} over several etcds did not come to its end. Start a node with every etcd reachable.`,
  );
}

/** The same of one whose first start may still be under way. */
export function assertMark({ part }: Asked, found: Found): void {
  const { cluster, part: mark } = found;
  if (part === null) {
    if (mark === undefined) return;
    throw new DecisionLogError(
      `This etcd has only ${shardsOf(mark)} of cluster ${cluster}, which is spread over several. Give --etcd with all of its ranges (${mapText(mark.lasts)}), each with its etcd.`,
    );
  }
  const at = part.endpoints.join(', ');
  if (mark === undefined) {
    throw new DecisionLogError(
      `Etcd at ${at} has the whole of cluster ${cluster}, which was made on one etcd. Give its addresses without ranges. Shards cannot be moved to another etcd: for several, make a new cluster, as "Several etcd clusters" in docs/OPERATING.md says.`,
    );
  }
  if (mark.lasts.join() !== part.lasts.join()) {
    throw new DecisionLogError(
      `Cluster ${cluster} was made with the ranges ${mapText(mark.lasts)}, which cannot change; ${mapText(part.lasts)} was asked for. Start every node with the ranges that it was made with.`,
    );
  }
  if (mark.index !== part.index) {
    throw new DecisionLogError(
      `Etcd at ${at} has ${shardsOf(mark)} of cluster ${cluster}, and was given for ${shardsOf(part)}. Give each range the etcd that it was made with, and no two the same.`,
    );
  }
}

export function shardsOf({ index, lasts }: Pick<PartMark, 'index' | 'lasts'>): string {
  return rangeText(rangeOf({ index, lasts }));
}

export function rangeOf({ index, lasts }: Pick<PartMark, 'index' | 'lasts'>): {
  readonly first: number;
  readonly last: number;
} {
  return { first: (lasts[index - 1] ?? -1) + 1, last: lasts[index] ?? -1 };
}

/** Those that this etcd is for: of keys of others an account may have no right (!). */
export function shardsIn({
  shards,
  part,
}: {
  readonly shards: number;
  readonly part?: PartMark;
}): readonly number[] {
  const { first, last } = part === undefined ? { first: 0, last: shards - 1 } : rangeOf(part);
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

function mapText(lasts: readonly number[]): string {
  return lasts
    .map((_, index) => rangeOf({ index, lasts }))
    .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`))
    .join(', ');
}
