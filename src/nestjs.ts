/** `verdict/nestjs`: Verdict in a NestJS application. Needs `@nestjs/common` and `@nestjs/core`. */
import './system/check-node.ts';

export { TransactionAbortedError } from './nestjs/aborted-error.ts';
export { type AbortResponse, VerdictExceptionFilter } from './nestjs/exception-filter.ts';
export { type HealthResult, VerdictHealthIndicator } from './nestjs/health.ts';
export { VerdictModule } from './nestjs/module.ts';
export type {
  ParticipantDefaults,
  VerdictAsyncOptions,
  VerdictModuleOptions,
  VerdictOptionsFactory,
} from './nestjs/options.ts';
export {
  Participant,
  type ParticipantSettings,
  participantHandle,
  type ServedProvider,
} from './nestjs/participant.ts';
export {
  type PassThrough,
  type PassThroughBranch,
  transactionalPassThrough,
} from './nestjs/pass-through.ts';
export {
  type HttpTransactRequest,
  type RequestTransactions,
  RequestVerdict,
  verdictOf,
} from './nestjs/request-verdict.ts';
export { getVerdictHealthToken, getVerdictToken, InjectVerdict } from './nestjs/tokens.ts';
export { bindVerdict, Transactional, type TransactionalOptions } from './nestjs/transactional.ts';
