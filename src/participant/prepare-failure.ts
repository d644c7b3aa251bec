/** A prepare that threw: the branch may hold something, and this is what its vote says. */
import type { VoteReason } from '../core/messages.ts';
import { boundedText, textOf } from './text.ts';

/** For a resource that knows more of its failure than a text. */
export class PrepareFailure extends Error {
  override readonly name = 'PrepareFailure';
  readonly reason: VoteReason;

  constructor(reason: VoteReason, cause: unknown) {
    super(reason.message, { cause });
    this.reason = reason;
  }
}

export function reasonOf(thrown: unknown): VoteReason {
  if (thrown instanceof PrepareFailure) {
    return { ...thrown.reason, message: boundedText(thrown.reason.message) };
  }
  return { code: 'VOTED_ABORT', message: textOf(thrown), retryable: false };
}
