/** A problem on its way to whoever writes the response. */
import type { AbortReason } from '../core/catalogue.ts';
import type { Problem } from './problems.ts';

/**
 * What `transact` and `withTransaction` of a request throw where there is no commit. Left alone it
 * becomes the response. Its `status` and `headers` are what Express and Fastify look for, should it
 * reach their own handling of errors.
 */
export class ProblemError extends Error {
  /** Always this. */
  override readonly name = 'ProblemError';
  /** What the response is made of. */
  readonly problem: Problem;
  /** Why the transaction aborted; null where it did not, and the `cause` says more. */
  readonly reason: AbortReason | null;
  /** The HTTP status. */
  readonly status: number;
  /** The same, as Fastify calls it. */
  readonly statusCode: number;
  /** Of the response, beside its type. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    problem: Problem,
    more: { readonly reason?: AbortReason | undefined; readonly cause?: unknown } = {},
  ) {
    super(problem.body.title, more.cause === undefined ? undefined : { cause: more.cause });
    this.problem = problem;
    this.reason = more.reason ?? null;
    this.status = problem.status;
    this.statusCode = problem.status;
    this.headers = headersOf(problem);
  }
}

/** By its name: two copies of the package have two classes. */
export function isProblemError(error: unknown): error is ProblemError {
  const { name, problem } = (error ?? {}) as {
    readonly name?: unknown;
    readonly problem?: unknown;
  };
  return name === 'ProblemError' && typeof problem === 'object' && problem !== null;
}

export const problemType = 'application/problem+json';

/** A problem is of this moment: no cache may keep it. */
function headersOf({ retryAfterSeconds }: Problem): Record<string, string> {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  if (retryAfterSeconds !== null) headers['retry-after'] = String(retryAfterSeconds);
  return headers;
}
