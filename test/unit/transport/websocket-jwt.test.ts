/** Where a JWT is shown, and what a crowd that shows wrong ones costs others. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Authentication } from '../../../src/ports/access.ts';
import type { CloseInfo } from '../../../src/ports/transport.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { webSocketDialer } from '../../../src/transport/websocket/connect.ts';
import { readers } from '../../../src/wire/readers.ts';
import { cleanUp, endOf, listen, statusOf, until } from '../../support/network/websocket-rig.ts';

afterEach(cleanUp);

const who = { identity: 'payment', expiresAtMs: null };

describe('a JWT', () => {
  it('is not sent without TLS', async () => {
    const shown: (string | null)[] = [];
    const { url } = await listen({
      authenticate: ({ authorization }) => {
        shown.push(authorization);
        return { status: 'right', who };
      },
    });
    const info = await new Promise<CloseInfo>((resolve, reject) => {
      webSocketDialer({ clock: systemClock, readers: readers['from-node'] }).connect(
        { url, timeoutMs: 5_000, heartbeatMs: 5_000, credential: { jwt: 'h.p.s' } },
        {
          failed: resolve,
          opened: (connection) => {
            reject(new Error('It was dialled.'));
            return endOf(connection).handler as never;
          },
        },
      );
    });
    expect(info).toMatchObject({ kind: 'failed', reason: expect.stringContaining('wss://') });
    expect(shown).toEqual([]);
  });

  it('that cannot be checked for now is refused as something that passes', async () => {
    const { url } = await listen({
      authenticate: async () => ({ status: 'wrong', why: 'No keys.', passes: true }),
    });
    expect(await statusOf(url, { headers: { authorization: 'Bearer h.p.s' } })).toBe(503);
  });
});

describe('a crowd that shows JWTs which take long to check', () => {
  it('is held to its share: others are let in, and so are other credentials of its own', async () => {
    const pending: ((answer: Authentication) => void)[] = [];
    const { url, next } = await listen({
      trustedProxies: ['127.0.0.1'],
      authenticate: ({ authorization }) => {
        if (authorization === 'Bearer good') return Promise.resolve({ status: 'right', who });
        if (authorization?.startsWith('Bearer ') !== true) return { status: 'right', who };
        return new Promise((resolve) => pending.push(resolve));
      },
    });
    const knock = (address: string, authorization: string): Promise<number> =>
      statusOf(url, { headers: { authorization, 'x-forwarded-for': address } });
    const crowd = (address: string): Promise<number>[] =>
      Array.from({ length: 64 }, () => knock(address, 'Bearer made.up.text'));
    const first = crowd('10.0.0.1');
    // Those beyond the share are told at once; the others wait.
    const [turnedAway] = await Promise.all([
      Promise.race(first),
      until(() => pending.length >= 40),
    ]);
    expect(turnedAway).toBe(503);
    const ofFirst = pending.length;
    expect(ofFirst).toBeLessThan(50);
    const second = crowd('10.0.0.2');
    expect(await Promise.race(second)).toBe(503);
    await until(() => pending.length > ofFirst + 5);
    expect(pending.length).toBeLessThan(64);
    // A third address finds room, and a token or a certificate needs none.
    expect(await knock('10.0.0.3', 'Bearer good')).toBe(101);
    await next();
    expect(await knock('10.0.0.1', 'Verdict-HMAC x')).toBe(101);
    await next();
    expect(await knock('10.0.0.1', 'Bearer good')).toBe(503);
    for (const answer of pending) answer({ status: 'wrong', why: 'made up' });
    const statuses = await Promise.all([...first, ...second]);
    expect(statuses.filter((status) => status === 401)).toHaveLength(pending.length);
    // What was taken is given back.
    expect(await knock('10.0.0.1', 'Bearer good')).toBe(101);
  });
});
