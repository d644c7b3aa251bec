/** `verdict/express`: transactions of HTTP requests, in Express. */
import './system/check-node.ts';

export {
  type VerdictMiddleware,
  type VerdictMiddlewareOptions,
  verdictMiddleware,
  verdictProblems,
} from './http/express.ts';
export type { HttpOptions, IdempotencyMode } from './http/options.ts';
export { ProblemError } from './http/problem-error.ts';
export type { AbortProblem, Problem, ProblemBody, StatusOf } from './http/problems.ts';
export type { HttpTransactRequest, RequestTransactions } from './http/transactions.ts';
