/** `verdict/participant`: for a service that takes part in transactions. */

import './system/check-node.ts';

export type { BranchAlarm, StoreFound } from './core/branch/branch.ts';
export type { VoteReason } from './core/messages.ts';
export type { ParticipantOptions } from './core/participant-options.ts';
export { isTxid, type Txid } from './core/txid.ts';
export type { EnlistOptions } from './participant/enlist.ts';
export type {
  EtcdDecisionLog,
  ParticipantAlarm,
  ServeBaseOptions,
  ServeOptions,
} from './participant/options.ts';
export type { ReadyWork } from './participant/ready.ts';
export { type ParticipantHandle, serveParticipant } from './participant/serve.ts';
export { type AbortOptions, type VoteBuilder, vote } from './participant/vote.ts';
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
  VerdictError,
  type VerdictErrorCode,
  type VerdictErrorDetails,
} from './peer/verdict-error.ts';
export type { EncryptionKeys } from './ports/cipher.ts';
export { JournalError } from './ports/journal.ts';
export { type Logger, silentLogger } from './ports/logger.ts';
export {
  type AbortVote,
  type BranchCall,
  BranchEndedError,
  type BranchRef,
  type EndCall,
  type HeldBranch,
  type PrepareCall,
  type PrepareResult,
  type Resource,
  type ResultVote,
} from './ports/resource.ts';
export type { SchemaIssue, SchemaResult, StandardSchema } from './ports/schema.ts';
export type { Pem, TlsOptions } from './ports/tls.ts';
