import { expect, it } from 'vitest';
import { refusals } from '../../../../src/resources/postgresql/error-codes.ts';

it('a session that was not there in time: what to do where that lasts', () => {
  const error = new Error('timeout exceeded when trying to connect');
  expect(refusals.refusalOfBegin(error)?.reason).toMatchObject({
    code: 'RESOURCE_UNAVAILABLE',
    message: expect.stringMatching(/Retry; where it lasts, .*raise maxSessions of the resource/),
    retryable: true,
  });
  const broken = refusals.refusalOfBegin(new Error('connect ECONNREFUSED 127.0.0.1:5432'));
  expect(broken?.reason.message).toMatch(/ECONNREFUSED 127\.0\.0\.1:5432\. Retry\.$/);
});
