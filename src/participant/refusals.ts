/** Votes given without asking the application. */
import type { VoteReason } from '../core/messages.ts';

export const refusals: Readonly<Record<'full' | 'stopping' | 'otherEpoch', VoteReason>> = {
  full: {
    code: 'VOTED_ABORT',
    message: 'The participant is at its limit of prepares. Try the transaction again.',
    retryable: true,
  },
  stopping: {
    code: 'VOTED_ABORT',
    message: 'The participant is stopping. Try the transaction again.',
    retryable: true,
  },
  otherEpoch: {
    code: 'VOTED_ABORT',
    message: 'The prepare is of another leadership than its transaction.',
    retryable: true,
  },
};
