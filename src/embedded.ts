/** In one process: `openTransactions` over databases, `TransactionCoordinator` over objects. */
import './system/check-node.ts';

export type { AbortReason, ReasonCode } from './core/catalogue.ts';
export type {
  BranchState,
  BranchStatus,
  Labels,
  LockStatus,
  Outcome,
  TransactionState,
  TransactionStatus,
} from './core/messages.ts';
export { isTxid, type Txid } from './core/txid.ts';
export {
  type BeginOptions,
  TransactionCoordinator,
  type TransactionResult,
} from './embedded/coordinator.ts';
export type {
  EtcdLogChoice,
  LmdbLogChoice,
  LogChoice,
  MemoryLogChoice,
} from './embedded/open-log.ts';
export type { EmbeddedOptions, EmbeddedTimings } from './embedded/options.ts';
export type { EmbeddedParticipant, PrepareContext } from './embedded/participant.ts';
export type { RecoverOptions, RecoveryReport, Unfinished } from './embedded/recovery.ts';
export type { CallReturn, ParticipantReturns } from './embedded/returns.ts';
export {
  isVerdictError,
  OutcomeUnknownError,
  VerdictError,
  type VerdictErrorCode,
  type VerdictErrorDetails,
} from './peer/verdict-error.ts';
export { DecisionLogError } from './ports/decision-log.ts';
export type { Logger } from './ports/logger.ts';
export type { Pem, TlsOptions } from './ports/tls.ts';
export type { Database } from './resources/sql/database.ts';
export type { Sql, SqlResult, StatementObject } from './resources/sql/sql.ts';
export { TransactionAbortedError } from './transactions/errors.ts';
export {
  openTransactions,
  Transactions,
  type TransactionsContext,
  type TransactionsOptions,
  type TransactionsRunOptions,
} from './transactions/open.ts';
