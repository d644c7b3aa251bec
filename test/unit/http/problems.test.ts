import { describe, expect, it } from 'vitest';
import { abortReason } from '../../../src/core/catalogue.ts';
import { errorCodes, reasonCodes } from '../../../src/core/codes.ts';
import { problemOfAbort, problemOfError } from '../../../src/http/problems.ts';
import {
  factsOf,
  OutcomeUnknownError,
  peerErrorCodes,
  VerdictError,
  type VerdictErrorCode,
} from '../../../src/peer/verdict-error.ts';
import { txidOf } from '../../support/samples/messages.ts';

const secret = 'participant stock at 10.0.0.7 has key account/anna';

function errorOf(code: VerdictErrorCode, more: { acted?: 'nothing' | 'unknown' } = {}) {
  const { retryable, acted } = factsOf(code);
  return new VerdictError(code, secret, { retryable, acted, ...more });
}

describe('an abort', () => {
  it('of each reason has its status', () => {
    const statuses = Object.fromEntries(
      reasonCodes.map((code) => {
        const { status, retryAfterSeconds } = problemOfAbort(abortReason(code));
        return [code, [status, retryAfterSeconds]];
      }),
    );
    expect(statuses).toEqual({
      VOTED_ABORT: [409, null],
      INVALID_PAYLOAD: [422, null],
      INVALID_RESULT: [502, null],
      CONFLICT: [409, 1],
      LOCK_TIMEOUT: [503, 1],
      DEADLOCK: [503, 1],
      RESOURCE_UNAVAILABLE: [503, 1],
      PREPARE_TIMEOUT: [503, 1],
      PARTICIPANT_UNAVAILABLE: [503, 1],
      TRANSACTION_TIMEOUT: [503, 1],
      ROLLED_BACK: [409, null],
      FORCED: [503, 1],
      TOO_LARGE: [413, null],
      LEADER_CHANGED: [503, 1],
    });
  });

  it('that can pass says when to try again, and no other does', () => {
    for (const code of reasonCodes) {
      const reason = abortReason(code);
      expect(problemOfAbort(reason).retryAfterSeconds !== null, code).toBe(reason.retryable);
    }
    const refused = abortReason('VOTED_ABORT', { retryable: true, retryAfterMs: 2_001 });
    expect(problemOfAbort(refused)).toMatchObject({ status: 409, retryAfterSeconds: 3 });
    const soon = abortReason('PARTICIPANT_UNAVAILABLE', { retryAfterMs: 0 });
    expect(problemOfAbort(soon).retryAfterSeconds).toBe(1);
  });

  it('says nothing of its reason, unless the service does', () => {
    for (const code of reasonCodes) {
      const reason = abortReason(code, { message: secret, participant: 'stock', detail: secret });
      expect(JSON.stringify(problemOfAbort(reason))).not.toMatch(/stock|10\.0|anna|verdict tx/);
    }
    const reason = abortReason('VOTED_ABORT', { message: 'only 2 left', participant: 'stock' });
    const own = problemOfAbort(reason, ({ message }) => ({
      type: 'https://shop.example/problems/out-of-stock',
      detail: message,
    }));
    expect(own.body).toEqual({
      type: 'https://shop.example/problems/out-of-stock',
      title: 'The transaction was refused',
      status: 409,
      detail: 'only 2 left',
    });
    expect(problemOfAbort(reason, () => 402)).toMatchObject({ status: 402, body: { status: 402 } });
    expect(problemOfAbort(reason, () => undefined)).toEqual(problemOfAbort(reason));
  });

  it('cannot be made a success', () => {
    for (const status of [200, 304, 399, 600, 404.5, Number.NaN]) {
      expect(() => problemOfAbort(abortReason('VOTED_ABORT'), () => status)).toThrow(RangeError);
    }
  });
});

describe('an error', () => {
  it('of each code has its status, and says nothing of itself', () => {
    const statuses = Object.fromEntries(
      [...errorCodes, ...peerErrorCodes].map((code) => {
        const problem = problemOfError(errorOf(code), { repeatable: true });
        // What cannot be sent is told with its place, by the client alone.
        const own = code === 'INVALID_PAYLOAD' ? { ...problem.body, detail: '' } : problem;
        expect(JSON.stringify(own)).not.toMatch(/stock|10\.0|anna|node/);
        return [code, problem.status];
      }),
    );
    expect(statuses).toEqual({
      NOT_LEADER: 503,
      BUSY: 503,
      LOG_UNAVAILABLE: 503,
      UNKNOWN_TRANSACTION: 500,
      UNKNOWN_BRANCH: 500,
      EXPIRED: 410,
      ALREADY_COMMITTED: 410,
      WRONG_STATE: 500,
      INVALID_MESSAGE: 500,
      UNSUPPORTED_VERSION: 500,
      UNAUTHENTICATED: 500,
      FORBIDDEN: 500,
      JOURNAL_COPIED: 500,
      REQUEST_CONFLICT: 422,
      TOO_LARGE: 413,
      LIMIT_EXCEEDED: 500,
      DEADLOCK: 503,
      LOCK_TIMEOUT: 503,
      OUTCOME_UNKNOWN: 504,
      INTERNAL: 500,
      CONNECTION_LOST: 504,
      TIMEOUT: 504,
      ABORTED_BY_CALLER: 504,
      CLOSED: 503,
      INVALID_PAYLOAD: 422,
    });
  });

  it('of a request without a key speaks of no key: its outcome is not known any more', () => {
    const expired = new VerdictError('EXPIRED', secret, {
      ...factsOf('EXPIRED'),
      txid: txidOf(1),
    });
    const { status, retryAfterSeconds, body } = problemOfError(expired, { repeatable: false });
    expect([status, retryAfterSeconds]).toEqual([504, null]);
    expect(body).toMatchObject({
      type: 'urn:verdict:problem:outcome-unknown',
      transaction: txidOf(1),
    });
    expect(JSON.stringify(body)).not.toContain('Idempotency-Key');
  });

  it('after which something may have happened is never told as if nothing had', () => {
    for (const code of ['CONNECTION_LOST', 'TIMEOUT', 'ABORTED_BY_CALLER'] as const) {
      const error = errorOf(code, { acted: 'nothing' });
      for (const [repeatable, text] of [
        [false, 'Nothing was changed'],
        // An earlier request with the key may have had its effect.
        [true, 'What became of an earlier request'],
      ] as const) {
        const { status, body } = problemOfError(error, { repeatable });
        expect([status, body.detail]).toEqual([503, expect.stringContaining(text)]);
        expect(body.detail.includes('Nothing was changed')).toBe(!repeatable);
      }
    }
    for (const code of [...errorCodes, ...peerErrorCodes]) {
      const { body } = problemOfError(errorOf(code, { acted: 'unknown' }), { repeatable: true });
      const isAbort = factsOf(code).aborted === true;
      if (!isAbort) expect(body.detail, code).not.toContain('Nothing was changed');
    }
  });

  it('of an unknown outcome says how to learn it: with a key by sending it again, else not', () => {
    const error = new OutcomeUnknownError(secret, { txid: txidOf(7) });
    const withKey = problemOfError(error, { repeatable: true });
    expect(withKey).toMatchObject({ status: 504, retryAfterSeconds: 1 });
    expect(withKey.body.transaction).toBe(txidOf(7));
    const without = problemOfError(error, { repeatable: false });
    expect(without).toMatchObject({ status: 504, retryAfterSeconds: null });
    expect(without.body.detail).toContain('Do not send it again');
  });
});
