/**
 * What the demo needs of whatever coordinates its transactions: one node with its own store, or a
 * cluster on etcd.
 */
import type { LoggedOutcomes } from '../launcher/etcd-contents.ts';
import type { Certificates } from '../secure/installation.ts';

export interface Coordinator {
  readonly urls: readonly string[];
  /** Of everyone; null where no one asks for them. */
  readonly certificates: Certificates | null;
  /** Kill -9 of whoever leads, and a start of it on the same data. */
  killLeader(signal: AbortSignal): Promise<Kill>;
  /** All that it has decided so far, while it runs and afterwards. */
  readLog(): Promise<LoggedOutcomes>;
  /** The nodes. What `readLog` needs goes on. */
  stop(timeoutMs: number): Promise<void>;
  /** Rejects when a part of it ends of itself. */
  readonly failed: Promise<never>;
}

export interface Kill {
  readonly node: string;
  /** On the clock of `performance.now`. */
  readonly killedAtMs: number;
  /** The leadership that ended so. Null: whichever gave the last answer. */
  readonly epoch: string | null;
  /** Resolves when the node that was killed is ready again, with the time from the kill. */
  readonly readyMs: Promise<number>;
}
