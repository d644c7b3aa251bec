import { expect, it } from 'vitest';
import { errorCodes } from '../../../src/core/codes.ts';
import {
  errorFromMessage,
  factsOf,
  isRequestRetryable,
  peerErrorCodes,
  VerdictError,
  withoutStack,
} from '../../../src/peer/verdict-error.ts';

it('sends the same request again after what passes, not after what aborted its transaction', () => {
  const again = [...errorCodes, ...peerErrorCodes].filter((code) =>
    isRequestRetryable(new VerdictError(code, 'for the test', factsOf(code))),
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

it('makes no stack for what a node said, and leaves that of other errors alone', () => {
  const { stackTraceLimit } = Error;
  const error = errorFromMessage({
    type: 'error',
    id: 1,
    code: 'BUSY',
    message: 'Too much at present.',
    retryable: true,
  });
  expect(error.stack).not.toMatch(/^ +at /m);
  const thrown = () => {
    throw new TypeError('for the test');
  };
  expect(() => withoutStack(thrown)).toThrow(TypeError);
  expect(Error.stackTraceLimit).toBe(stackTraceLimit);
  expect(new Error('for the test').stack).toMatch(/^ +at /m);
});
