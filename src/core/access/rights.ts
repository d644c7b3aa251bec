/**
 * What an identity may do. Nothing else: what is not named is denied. Without an access file there
 * are no rights, and whoever is let in may do everything (docs/SECURITY.md).
 */
import type { PeerRole } from '../messages.ts';
import type { Patterns } from './patterns.ts';

/** How much one identity may use at each node. Absent: only what holds for everyone. */
export interface Quotas {
  readonly connections?: number;
  /** That its connections send. */
  readonly bytesPerSecond?: number;
  /** In memory at once, of each shard. */
  readonly transactions?: number;
  /** Held or waited for at once, of each shard. */
  readonly locks?: number;
  readonly requestIdsPerSecond?: number;
  /** Remembered at once, of each shard. */
  readonly requestIds?: number;
  /** Of each participant that it may be, at all nodes; with its shared resources. */
  readonly instances?: number;
}

export interface Rights {
  /** Of the identity. */
  readonly name: string;
  readonly roles: ReadonlySet<PeerRole>;
  /** Names that it may serve under. */
  readonly participants: Patterns;
  /** Names that it may be a client under: the scope of request ids and lock groups. */
  readonly clients: Patterns;
  /** Participants that it may put into a transaction. */
  readonly calls: Patterns;
  /** Keys of labels. */
  readonly labels: Patterns;
  /** Groups that it shares with clients of other names, by their whole name (`shared/stock`). */
  readonly lockGroups: Patterns;
  /** `own`: the transactions that it began. `all`: everyone's, to look at and to end. */
  readonly sees: 'own' | 'all';
  readonly quotas: Quotas;
}
