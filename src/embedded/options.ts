/** What a `TransactionCoordinator` takes. */

import type { Reached } from '../coordinator/crash-points.ts';
import {
  type CoordinatorOptionName,
  type CoordinatorOptions,
  coordinatorOptions,
} from '../core/coordinator-options.ts';
import type { Logger } from '../ports/logger.ts';
import type { LogChoice } from './open-log.ts';

/** Those of a node's options that mean something without connections. */
type TimingName = Extract<
  CoordinatorOptionName,
  | 'transactionTimeoutMs'
  | 'maxTransactionTimeoutMs'
  | 'prepareTimeoutMs'
  | 'breakerAfter'
  | 'breakerPauseMs'
  | 'maxBreakerPauseMs'
  | 'commandWindow'
  | 'ackTimeoutMs'
  | 'retryDelayMs'
  | 'maxRetryDelayMs'
  | 'attentionAfter'
  | 'maxTransactions'
  | 'maxRecent'
  | 'retentionMs'
  | 'maxFinished'
  | 'tickMs'
  | 'maxBranches'
  | 'maxRecordBytes'
  | 'drainMs'
>;

/** Meaning, unit, default and bounds are the node's: see `verdict serve --help`. */
export type EmbeddedTimings = Partial<Pick<CoordinatorOptions, TimingName>>;

const timingNames: Readonly<Record<TimingName, true>> = {
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

export interface EmbeddedOptions extends EmbeddedTimings {
  /** Where decisions are kept. Default: `{ kind: 'memory' }`. */
  readonly log?: LogChoice;
  /** pino's loggers fit. Default: nothing is logged. */
  readonly logger?: Logger;
  /**
   * Called once, when the log cannot be written any more or an invariant broke: this coordinator decides
   * nothing from then on, and every call rejects with INTERNAL or OUTCOME_UNKNOWN. The process should end and start again.
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
