/** `verdict/fastify`: transactions of HTTP requests, in Fastify. */
import './system/check-node.ts';

export { type VerdictPluginOptions, verdictPlugin } from './http/fastify.ts';
export type { HttpOptions, IdempotencyMode } from './http/options.ts';
export { ProblemError } from './http/problem-error.ts';
export type { AbortProblem, Problem, ProblemBody, StatusOf } from './http/problems.ts';
export type { HttpTransactRequest, RequestTransactions } from './http/transactions.ts';
