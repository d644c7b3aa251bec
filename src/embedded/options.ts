/** What a `TransactionCoordinator` takes. */

import type { Reached } from '../coordinator/crash-points.ts';
import {
  type CoordinatorOptionName,
  type CoordinatorOptions,
  coordinatorOptions,
} from '../core/coordinator-options.ts';
import type { Logger } from '../ports/logger.ts';
import type { LogChoice } from './open-log.ts';

/** A node's options that mean something without connections. Bounds: `verdict serve --help`. */
export interface EmbeddedTimings {
  /**
   * A transaction that names no time-out is aborted when it is not decided within this. Default
   * 10,000.
   */
  readonly transactionTimeoutMs?: number;
  /** The longest time-out a transaction may name; a longer one is cut to it. Default 300,000. */
  readonly maxTransactionTimeoutMs?: number;
  /**
   * How long one branch may take at most to vote, from its prepare or its last `working`; less for
   * a participant that has been seen to be faster. 0: No limit but the transaction time-out.
   * Default 5,000.
   */
  readonly prepareTimeoutMs?: number;
  /**
   * Prepare time-outs of one participant in a row after which transactions with it are refused at
   * once. 0: Never refuse for time-outs. Default 5.
   */
  readonly breakerAfter?: number;
  /**
   * The first pause before one transaction may try such a participant; it doubles with each
   * failure, with jitter. Default 1,000.
   */
  readonly breakerPauseMs?: number;
  /** The longest such pause. Default 5,000. */
  readonly maxBreakerPauseMs?: number;
  /**
   * Commands under way at a time on one connection of a participant, to branches that voted
   * `commit`; as many rollbacks of other branches too. The rest follow. Default 256.
   */
  readonly commandWindow?: number;
  /**
   * How long one attempt at a commit or rollback waits for its acknowledgement before it is sent
   * again. Default 2,000.
   */
  readonly ackTimeoutMs?: number;
  /**
   * The first pause before a commit or rollback is sent again; it doubles with each attempt, with
   * jitter. Default 100.
   */
  readonly retryDelayMs?: number;
  /** The longest pause between two attempts. Default 30,000. */
  readonly maxRetryDelayMs?: number;
  /**
   * Unacknowledged attempts at one branch after which its transaction is flagged `attention`.
   * Retries go on. 0: Never flag. Default 8.
   */
  readonly attentionAfter?: number;
  /** Transactions in memory at once; past it, new ones get BUSY. Default 100,000. */
  readonly maxTransactions?: number;
  /**
   * Ended transactions remembered for status, lists and repeated requests. 0: Remember none.
   * Default 10,000.
   */
  readonly maxRecent?: number;
  /**
   * How long the log keeps the record of a finished transaction; never less than the request window
   * and a minute. Default 600,000.
   */
  readonly retentionMs?: number;
  /**
   * Finished records above which they are collected before `retentionMs`, but never before the
   * request window and a minute. Default 200,000.
   */
  readonly maxFinished?: number;
  /**
   * How often the leader writes down how long it has led, by which the age of records is counted.
   * It may be another at every node and after every start. Default 10,000.
   */
  readonly tickMs?: number;
  /** Branches of one transaction. Default 128. */
  readonly maxBranches?: number;
  /** Bytes of one decision record, checked before the first prepare. Default 16,384. */
  readonly maxRecordBytes?: number;
  /**
   * How long a planned stop lets transactions in flight finish. 0: Stop at once. Default 10,000.
   */
  readonly drainMs?: number;
}

const timingNames: Readonly<Record<keyof EmbeddedTimings, true>> = {
  transactionTimeoutMs: true,
  maxTransactionTimeoutMs: true,
  prepareTimeoutMs: true,
  breakerAfter: true,
  breakerPauseMs: true,
  maxBreakerPauseMs: true,
  commandWindow: true,
  ackTimeoutMs: true,
  retryDelayMs: true,
  maxRetryDelayMs: true,
  attentionAfter: true,
  maxTransactions: true,
  maxRecent: true,
  retentionMs: true,
  maxFinished: true,
  tickMs: true,
  maxBranches: true,
  maxRecordBytes: true,
  drainMs: true,
};

/** What `new TransactionCoordinator` takes. */
export interface EmbeddedOptions extends EmbeddedTimings {
  /** Where decisions are kept. Default: `{ kind: 'memory' }`. */
  readonly log?: LogChoice;
  /** pino's loggers fit. Default: nothing is logged. */
  readonly logger?: Logger;
  /**
   * Called once, when the log cannot be written any more or an invariant broke: this coordinator
   * decides nothing from then on, and every call rejects with INTERNAL or OUTCOME_UNKNOWN. The
   * process should end and start again.
   */
  readonly onFatal?: (error: unknown) => void;
  /** @internal Called at each crash point. */
  readonly reached?: Reached;
}

const others: readonly string[] = ['log', 'logger', 'onFatal', 'reached'];

/** Throws RangeError for an option that does not exist or is out of its bounds. */
export function timingsOf(given: EmbeddedOptions): CoordinatorOptions {
  const timings: Partial<Record<CoordinatorOptionName, number>> = {};
  for (const [name, value] of Object.entries(given)) {
    if (others.includes(name) || value === undefined) continue;
    if (!Object.hasOwn(timingNames, name)) {
      throw new RangeError(
        `There is no option ${name}; the options are ${[...others, ...Object.keys(timingNames)].join(', ')}.`,
      );
    }
    timings[name as CoordinatorOptionName] = value as number;
  }
  return coordinatorOptions(timings);
}
