/** How an application's prepare answers. */
import type { VoteReason } from '../core/messages.ts';
import { thrownText } from '../core/thrown.ts';
import type { AbortVote, PrepareResult, ResultVote } from '../ports/resource.ts';
import { PrepareFailure } from './prepare-failure.ts';

/** Options of `vote.abort`. */
export interface AbortOptions {
  /** Default VOTED_ABORT. CONFLICT: a version that was read is stale. */
  readonly code?: NonNullable<VoteReason['code']>;
  /** Whether the transaction may succeed when tried again. Default: as usual for the code. */
  readonly retryable?: boolean;
  /** Structured extra for the client, such as `{key, expected, actual}`; small. */
  readonly detail?: unknown;
}

/** What `prepare` answers with: see `vote`. */
export interface VoteBuilder {
  /** Prepared, durably: commit and rollback are both possible from now on. */
  commit<Result>(result: Result): ResultVote<Result>;
  /** The same, with nothing for the client. */
  commit(): PrepareResult<never>;
  /** Nothing was changed and nothing is held: the branch needs no second phase. */
  readonly<Result>(result: Result): ResultVote<Result>;
  /** The same, with nothing for the client. */
  readonly(): PrepareResult<never>;
  /** The transaction must not happen. Nothing is held. */
  abort(message: string, options?: AbortOptions): AbortVote;
}

/**
 * Makes the answer of a `prepare`.
 *
 * ```ts
 * if (left < 0) return vote.abort(`Only ${left} left.`);
 * return vote.commit({ left });
 * ```
 */
export const vote: VoteBuilder = {
  commit: (result?: unknown) => withResult('commit', result) as ResultVote<never>,
  readonly: (result?: unknown) => withResult('readonly', result) as ResultVote<never>,
  abort: (message, options = {}) => ({
    vote: 'abort',
    reason: { code: options.code ?? 'VOTED_ABORT', message: reasonText(message), ...options },
  }),
};

function withResult(vote: 'commit' | 'readonly', result: unknown): PrepareResult<never> {
  return { vote, ...(result === undefined ? {} : { result: result as never }) };
}

/** What JavaScript returned, where it is a vote; else a PrepareFailure says what to return. */
export function checkedVote<Result>(returned: PrepareResult<Result>): PrepareResult<Result> {
  switch (returned?.vote) {
    case 'commit':
    case 'readonly':
      return returned;
    case 'abort':
      if (isAbort(returned)) return returned;
  }
  const message = 'prepare must return vote.commit(), vote.readonly() or vote.abort(message)';
  throw new PrepareFailure({ code: 'INVALID_RESULT', message, retryable: false });
}

/** Made by `vote.abort`, or as that would make it. */
export function isAbort(returned: unknown): returned is AbortVote {
  const { vote: said, reason } = (returned ?? {}) as Partial<AbortVote>;
  return said === 'abort' && typeof reason === 'object' && reason !== null;
}

/** A client must get words: JavaScript hands over whatever it has. */
function reasonText(message: unknown): string {
  const text = typeof message === 'string' ? message : thrownText(message);
  return text === '' ? 'The participant gave no reason.' : text;
}
