import { expect, it } from 'vitest';
import { errorCodes } from '../../../src/core/catalogue.ts';
import {
  entryOf,
  isRequestRetryable,
  peerErrorCodes,
  VerdictError,
} from '../../../src/peer/verdict-error.ts';

it('sends the same request again after what passes, not after what aborted its transaction', () => {
  const again = [...errorCodes, ...peerErrorCodes].filter((code) =>
    isRequestRetryable(new VerdictError(code, 'for the test', entryOf(code))),
  );
  expect(again).toEqual([
    'NOT_LEADER',
    'BUSY',
    'LOG_UNAVAILABLE',
    'OUTCOME_UNKNOWN',
    'CONNECTION_LOST',
    'TIMEOUT',
  ]);
  expect(isRequestRetryable(new Error('BUSY'))).toBe(false);
});
