/** A prepare that threw: the branch may hold something, and this is what its vote says. */
import type { VoteReason } from '../core/messages.ts';
import { thrownAs, thrownText } from '../core/thrown.ts';

interface FailureDetails {
  readonly cause?: unknown;
  readonly message?: string;
}

/**
 * For a resource that knows more of its failure than a text. Its own message is for the
 * participant's log: it is the reason's, unless that quotes what the branch brought.
 */
export class PrepareFailure extends Error {
  override readonly name = 'PrepareFailure';
  readonly reason: VoteReason;

  constructor(reason: VoteReason, { cause, message = reason.message }: FailureDetails = {}) {
    super(message, { cause });
    this.reason = reason;
  }
}

export function reasonOf(thrown: unknown): VoteReason {
  const reason = thrownAs(thrown, PrepareFailure)?.reason;
  if (reason !== undefined) return { ...reason, message: boundedText(reason.message) };
  return { code: 'VOTED_ABORT', message: textOf(thrown), retryable: false };
}

/** A vote's or an acknowledgement's message holds at most 1,024 bytes of well-formed text. */
const maxCharacters = 330;

export function boundedText(text: string): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}...` : text;
  return cut.toWellFormed();
}

export function textOf(error: unknown): string {
  return boundedText(thrownText(error));
}
