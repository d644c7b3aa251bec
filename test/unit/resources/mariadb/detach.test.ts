/**
 * How long a prepare waits for its session to be gone; that it must be gone is shown on the server.
 */
import { expect, it } from 'vitest';
import { sessionGone } from '../../../../src/resources/mariadb/detach.ts';
import { ManualClock } from '../../../support/samples/manual-clock.ts';

const never = { write: () => new Promise<never>(() => undefined) };

it('a connection that is swallowed as it asks does not hold up the vote', async () => {
  const clock = new ManualClock();
  const gone = sessionGone({ ...never, rows: () => new Promise(() => undefined) }, 7, clock);
  await clock.advance(500);
  expect(await gone).toBe(false);
});

it('asks until the session is gone, and no more when its time is over', async () => {
  const clock = new ManualClock();
  const asked = { left: 3, times: 0 };
  const rows = async () => {
    asked.times += 1;
    return (asked.times < asked.left ? [{}] : []) as never[];
  };
  const gone = sessionGone({ ...never, rows }, 7, clock);
  await clock.advance(10);
  expect([await gone, asked.times]).toEqual([true, 3]);

  asked.left = Number.POSITIVE_INFINITY;
  const late = sessionGone({ ...never, rows }, 7, clock);
  await clock.advance(500);
  expect(await late).toBe(false);
  const { times } = asked;
  await clock.advance(500);
  expect(asked.times).toBeLessThanOrEqual(times + 1);
});

it('a server that cannot be asked is no reason to hold up the vote either', async () => {
  const rows = () => Promise.reject(new Error('gone away'));
  expect(await sessionGone({ ...never, rows }, 7, new ManualClock())).toBe(false);
});
