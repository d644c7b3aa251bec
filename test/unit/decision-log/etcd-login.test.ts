import { describe, expect, it } from 'vitest';
import { EtcdLogin } from '../../../src/decision-log/etcd/login.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

/** An etcd that answers logins when it is told to. */
function setUp({ fraction = 0 } = {}) {
  const clock = new ManualClock();
  const asked: PromiseWithResolvers<string>[] = [];
  const login = new EtcdLogin({
    clock,
    random: { fraction: () => fraction },
    authenticate: () => {
      const answer = Promise.withResolvers<string>();
      asked.push(answer);
      return answer.promise;
    },
  });
  return { clock, asked, login };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a process's login at etcd", () => {
  it('is one for all calls that wait for it, and for all that follow', async () => {
    const { asked, login } = setUp();
    const calls = Promise.all([login.token(), login.token(), login.token()]);
    await settled();
    expect(asked).toHaveLength(1);
    asked[0]?.resolve('first');
    expect(await calls).toEqual(['first', 'first', 'first']);
    expect(await login.token()).toBe('first');
    expect(asked).toHaveLength(1);
  });

  it('is done again once, however many were refused with the old token', async () => {
    const { asked, login } = setUp();
    const first = login.token();
    await settled();
    asked[0]?.resolve('old');
    await first;
    login.refused('old');
    expect(login.current).toBeNull();
    const second = login.token();
    login.refused('old');
    await settled();
    asked[1]?.resolve('new');
    expect(await second).toBe('new');
    // This call left before the new token came, and its refusal arrives after.
    login.refused('old');
    expect(await login.token()).toBe('new');
    expect(asked).toHaveLength(2);
  });

  it('is not asked for again at once after a failure: each pause is twice the last, up to 5 s', async () => {
    const { clock, asked, login } = setUp({ fraction: 1 });
    const pauses: number[] = [];
    for (let failure = 0; failure < 9; failure += 1) {
      const call = login.token();
      const failed = expect(call).rejects.toThrow('busy');
      const startedMs = clock.monotonicMs();
      await settled();
      while (asked.length === failure) {
        await clock.advance(50);
        await settled();
      }
      pauses.push(clock.monotonicMs() - startedMs);
      asked[failure]?.reject(new Error('busy'));
      await failed;
    }
    expect(pauses).toEqual([0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  it('gives its pause up when the connection is closed', async () => {
    const { asked, login } = setUp();
    const first = login.token();
    await settled();
    asked[0]?.reject(new Error('busy'));
    await expect(first).rejects.toThrow('busy');
    const second = login.token();
    await settled();
    login.close();
    await expect(second).rejects.toThrow('closed');
    expect(asked).toHaveLength(1);
  });
});
