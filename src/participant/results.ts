/** What an application's prepare returned, checked before it becomes a vote. */
import type { Prepared } from '../core/branch/branch.ts';
import { type Limits, type VoteReason, voteReasonCodes } from '../core/messages.ts';
import type { PrepareResult } from '../ports/resource.ts';
import { encodeMessage } from '../wire/codec.ts';
import { sendable } from '../wire/sendable.ts';
import { boundedText, reasonOf } from './prepare-failure.ts';
import { checkedVote } from './vote.ts';

export type ResultLimits = Pick<Limits, 'maxFrameBytes' | 'maxDepth'>;

/** What a vote carries beside its result. */
const envelopeBytes = 1_024;
/** The message itself is the first level of nesting. */
const envelopeDepth = 1;

/**
 * A result that no node would take (too large, too deep, not encodable) is found before the vote is
 * durable: afterwards it could only be kept back, and the branch would be in doubt for nothing.
 */
export function checkedResult(returned: PrepareResult<unknown>, limits: ResultLimits): Prepared {
  try {
    const given = checkedVote(returned);
    return given.vote === 'abort'
      ? { vote: 'abort', reason: checkedReason(given.reason, limits) }
      : { vote: given.vote, result: fitting(given.result, limits) };
  } catch (error) {
    // It may hold what it prepared, and what it said cannot be told: rolled back.
    return { vote: 'threw', reason: { ...reasonOf(error), code: 'INVALID_RESULT' } };
  }
}

const codes: ReadonlySet<string> = new Set(voteReasonCodes);

function checkedReason(reason: VoteReason, limits: ResultLimits): VoteReason {
  const { code, message, retryable, detail } = reason;
  return {
    ...(code !== undefined && codes.has(code) ? { code } : {}),
    message: boundedText(String(message)),
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
    ...fittingDetail(detail, limits),
  };
}

/** The vote stands without its detail. */
function fittingDetail(detail: unknown, limits: ResultLimits): { detail?: unknown } {
  if (detail === undefined) return {};
  try {
    // One level deeper than a result, within its reason.
    return { detail: fitting(detail, { ...limits, maxDepth: limits.maxDepth - 1 }) };
  } catch {
    return {};
  }
}

function fitting(result: unknown, limits: ResultLimits): unknown {
  if (result === undefined) return undefined;
  const checked = sendable(result, 'the result', limits.maxDepth - envelopeDepth);
  // Small values, which are nearly all, need no measuring by encoding.
  if (typeof checked === 'number' || typeof checked === 'boolean' || checked === null)
    return checked;
  const bytes = encodeMessage(
    { type: 'vote', txid: '' as never, branch: '', vote: 'commit', result: checked },
    'binary',
  ).length;
  const maxBytes = limits.maxFrameBytes - envelopeBytes;
  if (bytes > maxBytes) {
    throw new RangeError(
      `the result takes ${bytes} bytes; a node takes ${maxBytes}. Return a smaller one, or a reference to it.`,
    );
  }
  return checked;
}
