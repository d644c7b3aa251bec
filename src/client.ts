/** The client SDK: `import { connect } from 'verdict/client'`. */
import './system/check-node.ts';

export { type Client, type ConnectOptions, connect } from './client/client.ts';
export type { RunContext, RunOptions, RunResult } from './client/run.ts';
export type { Transaction } from './client/transaction.ts';
export type {
  Aborted,
  AnswerWhen,
  BranchRequest,
  CallOptions,
  CommitOptions,
  Committed,
  LockOptions,
  ResultsOf,
  RetryOptions,
  TransactionOptions,
  TransactionOutcome,
  TransactOptions,
  TransactOutcome,
  TransactRequest,
} from './client/types.ts';
export {
  currentTransaction,
  type Joined,
  maybeTransaction,
  type Propagation,
  type WithoutTransaction,
  type WithTransactionOptions,
  type WithTransactionResult,
  withTransaction,
} from './client/with-transaction.ts';
export type { AbortReason, ReasonCode } from './core/catalogue.ts';
export type { LockMode } from './core/locks/modes.ts';
export type {
  BranchState,
  BranchStatus,
  Labels,
  LockedKeys,
  LockStatus,
  TransactionState,
  TransactionStatus,
} from './core/messages.ts';
export { isTxid, type Txid } from './core/txid.ts';
export {
  type BranchOf,
  type ContractBranch,
  defineParticipant,
  type ParticipantContract,
  type ResultOf,
} from './peer/contract.ts';
export type { MetricRegistry } from './peer/metric-registry.ts';
export {
  isVerdictError,
  OutcomeUnknownError,
  VerdictError,
  type VerdictErrorCode,
  type VerdictErrorDetails,
} from './peer/verdict-error.ts';
export type { SchemaIssue, SchemaResult, StandardSchema } from './ports/schema.ts';
export type { Pem, TlsOptions } from './ports/tls.ts';
