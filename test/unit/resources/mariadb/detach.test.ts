/**
 * How long a prepare waits for its session to be gone, and the branch's end after it; that it must
 * be gone is shown on the server.
 */
import { expect, it } from 'vitest';
import { DetachedBranches, sessionGone } from '../../../../src/resources/mariadb/detach.ts';
import { ManualClock } from '../../../support/samples/manual-clock.ts';

const never = { write: () => new Promise<never>(() => undefined) };

it('a connection that is swallowed as it asks does not hold up the vote', async () => {
  const clock = new ManualClock();
  const gone = sessionGone({ ...never, rows: () => new Promise(() => undefined) }, 7, clock);
  await clock.advance(500);
  expect(await gone).toBeNull();
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
  expect([await gone, asked.times]).toEqual([2, 3]);

  asked.left = Number.POSITIVE_INFINITY;
  const late = sessionGone({ ...never, rows }, 7, clock);
  await clock.advance(500);
  expect(await late).toBeNull();
  const { times } = asked;
  await clock.advance(500);
  expect(asked.times).toBeLessThanOrEqual(times + 1);
});

it('a server that cannot be asked is no reason to hold up the vote either', async () => {
  const rows = () => Promise.reject(new Error('gone away'));
  expect(await sessionGone({ ...never, rows }, 7, new ManualClock())).toBeNull();
});

it.each([
  { leftMs: 1, what: 'at once', waitMs: 7 },
  { leftMs: 20, what: 'on a busy server', waitMs: 45 },
  { leftMs: 400, what: 'on one that stood still', waitMs: 100 },
])('a branch whose session left $what is ended $waitMs ms later', async ({ leftMs, waitMs }) => {
  const clock = new ManualClock();
  const branches = new DetachedBranches(clock);
  branches.add('one', leftMs);
  branches.add('other', leftMs);
  let taken: boolean | null = null;
  const taking = branches.take('one').then((known) => {
    taken = known;
  });
  await clock.advance(waitMs - 1);
  expect(taken).toBeNull();
  await clock.advance(1);
  await taking;
  expect(taken).toBe(true);
  // Later there is nothing to wait for; and the second time it is not known.
  expect(await branches.take('other')).toBe(true);
  expect(await branches.take('one')).toBe(false);
});
