/** Whose an instance or a shared resource is, and how an operator gives it to another. */
import { describe, expect, it } from 'vitest';
import type { Claim, Rebound } from '../../../src/core/claims.ts';
import { type DecisionLog, DecisionLogError } from '../../../src/ports/decision-log.ts';
import type { LogRig } from './rig.ts';

const one = { participant: 'inventory', instance: 'i-1' };
const resource = { participant: 'inventory', sharedResource: 'i-1' };

/** Each is another one, however alike they look. */
const odd: readonly Claim[] = [
  one,
  resource,
  { participant: 'inventory', instance: 'i-2' },
  { participant: 'inventory/"i-1"', instance: 'shared' },
  { participant: 'inventory', instance: 'i-1/shared' },
  { participant: 'inventory', instance: '"i-1"/shared' },
  { participant: 'inventor', instance: 'y/i-1' },
  { participant: 'é', instance: 'é' },
  { participant: 'é', instance: 'e\u0301' },
  { participant: '😀'.repeat(32), instance: '\\"'.repeat(64) },
  { participant: '😀'.repeat(32), sharedResource: '\\"'.repeat(64) },
  { participant: '..', instance: '%2f' },
  { participant: '..', instance: '/' },
];

export function binding(rig: LogRig): void {
  describe('bind', () => {
    it('is to who was first, for good', async () => {
      expect(await rig.log.holderOf(one)).toBeNull();
      expect(await rig.log.bind(one, 'stock')).toBe('stock');
      expect(await rig.log.bind(one, 'billing')).toBe('stock');
      expect(await rig.log.bind(one, 'stock')).toBe('stock');
      expect(await rig.log.holderOf(one)).toBe('stock');
      // It bears on no leadership.
      expect(await rig.leadership.tick(1)).toBe(1);
      await rig.log.close();
      const again = await rig.fixture.open('alpha');
      expect(await again.holderOf(one)).toBe('stock');
      expect(await again.bind(one, 'billing')).toBe('stock');
    });

    it('keeps apart whatever is not the same, asked for at once', async () => {
      const held = await Promise.all(odd.map((claim, at) => rig.log.bind(claim, `of ${at}`)));
      expect(held).toEqual(odd.map((_, at) => `of ${at}`));
      await rig.log.close();
      const again = await rig.fixture.open('alpha');
      expect(await Promise.all(odd.map((claim) => again.holderOf(claim)))).toEqual(held);
    });

    it('takes any name of an identity as it is', async () => {
      const names = ['', '/', 'spiffe://shop/ns/a b', '__proto__', 'é', '😀'];
      for (const [at, name] of names.entries()) {
        const claim = { participant: 'p', instance: `i-${at}` };
        expect(await rig.log.bind(claim, name)).toBe(name);
        expect(await rig.log.bind(claim, 'other')).toBe(name);
      }
    });

    it('many at once, of which some are bound and some come twice, each get their own', async () => {
      const claims = Array.from({ length: 300 }, (_, at) => ({
        participant: `p-${at % 3}`,
        instance: `i-${at}`,
      }));
      for (const claim of claims.slice(0, 20)) await rig.log.bind(claim, 'early');
      const all = await Promise.all(
        [...claims, ...claims].map((claim) => rig.log.bind(claim, 'late')),
      );
      const expected = claims.map((_, at) => (at < 20 ? 'early' : 'late'));
      expect(all).toEqual([...expected, ...expected]);
    });

    it('of two identities at once one is first, and both are told so', async () => {
      await expectOneWinner(Array.from({ length: 6 }, () => rig.log));
    });

    it('refuses a name that is no text, and nothing else with it', async () => {
      const [refused, taken] = await Promise.allSettled([
        rig.log.bind({ participant: 'p', instance: '\ud800' }, 'a'),
        rig.log.bind({ participant: 'p', instance: 'i' }, 'a'),
      ]);
      expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(RangeError) });
      expect(taken).toMatchObject({ status: 'fulfilled', value: 'a' });
    });

    it('rejects where the log is closed', async () => {
      await rig.log.close();
      for (const call of [
        rig.log.bind(one, 'stock'),
        rig.log.holderOf(one),
        rig.log.rebind(one, 'stock'),
      ]) {
        await expect(call).rejects.toThrow(DecisionLogError);
      }
    });
  });

  describe('rebind', () => {
    it('gives it to another, who is heard of', async () => {
      const heard: Rebound[] = [];
      rig.log.watchRebound((rebound) => heard.push(rebound));
      await rig.log.bind(one, 'stock');
      await rig.log.rebind(one, 'billing');
      expect(heard.at(-1)).toEqual({ claim: one, identity: 'billing' });
      expect(await rig.log.bind(one, 'stock')).toBe('billing');
      expect(await rig.log.bind(one, 'billing')).toBe('billing');
      await rig.log.rebind(one, 'stock');
      await rig.log.rebind(one, 'stock');
      expect(heard.at(-1)).toEqual({ claim: one, identity: 'stock' });
      expect(await rig.log.holderOf(one)).toBe('stock');
      expect(await rig.log.holderOf(resource)).toBeNull();
      await rig.log.close();
      const again = await rig.fixture.open('alpha');
      expect(await again.holderOf(one)).toBe('stock');
    });

    it('binds what no one has said it is', async () => {
      await rig.log.rebind(resource, 'stock');
      expect(await rig.log.bind(resource, 'billing')).toBe('stock');
      // Neither is retired by it.
      expect(await rig.log.retired()).toEqual([]);
    });

    it('of several at once, one stands', async () => {
      const names = ['a', 'b', 'c', 'd'];
      await Promise.all(names.map((name) => rig.log.rebind(one, name)));
      const holder = await rig.log.holderOf(one);
      expect(names).toContain(holder);
      expect(await rig.log.bind(one, 'e')).toBe(holder);
    });
  });
}

export function bindingAmongSeveral(rig: LogRig): void {
  it('of two identities at two nodes one is first, and both are told so', async () => {
    const logs = [rig.log, await rig.fixture.open('beta'), await rig.fixture.open('gamma')];
    await expectOneWinner([...logs, ...logs]);
  });

  it('rebind is answered when every node that is up has heard of it', async () => {
    const others = [await rig.fixture.open('beta'), await rig.fixture.open('gamma')];
    const heard = others.map(() => new Set<string>());
    for (const [at, log] of others.entries())
      log.watchRebound((rebound) => heard[at]?.add(JSON.stringify(rebound)));
    await rig.log.bind(one, 'stock');
    await rig.log.rebind(one, 'billing');
    const expected = new Set([JSON.stringify({ claim: one, identity: 'billing' })]);
    expect(heard).toEqual([expected, expected]);
    const late = await rig.fixture.open('delta');
    expect(await late.bind(one, 'stock')).toBe('billing');
  });

  it('a rebind is heard of before what was retired has been read', async () => {
    await rig.log.bind(one, 'stock');
    await rig.log.rebind(one, 'billing');
    const late = await rig.fixture.open('beta');
    const heard: Rebound[] = [];
    // Some tell it while they are opened; the others, now.
    late.watchRebound((rebound) => heard.push(rebound));
    await late.retired();
    expect(await late.holderOf(one)).toBe('billing');
    await rig.log.rebind(one, 'stock');
    await late.retired();
    expect(heard.at(-1)).toEqual({ claim: one, identity: 'stock' });
  });
}

/** Two identities for each of many, through the logs in turn. */
async function expectOneWinner(logs: readonly DecisionLog[]): Promise<void> {
  const claims = Array.from({ length: 40 }, (_, at) => ({ participant: 'p', instance: `i-${at}` }));
  const all = await Promise.all(
    claims.flatMap((claim) =>
      logs.map(async (log, at) => ({ claim, holder: await log.bind(claim, `id-${at % 2}`) })),
    ),
  );
  for (const claim of claims) {
    const told = new Set(all.filter((each) => each.claim === claim).map(({ holder }) => holder));
    expect([...told]).toHaveLength(1);
    expect(await logs[0]?.holderOf(claim)).toBe([...told][0]);
  }
}
