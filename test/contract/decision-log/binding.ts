/** Whose an instance or a shared resource is, and how an operator gives it to another. */
import { setImmediate } from 'node:timers/promises';
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

const named = (instance: string): Claim => ({ participant: 'inventory', instance });

/** Of two identities that want one resource, with many instances of each, at all logs at once. */
async function expectShared(logs: readonly DecisionLog[]): Promise<void> {
  const max = 11;
  const claims = (identity: string, at: number): readonly Claim[] => [
    named(`${identity} ${at}`),
    resource,
  ];
  const all = ['stock', 'billing'].flatMap((identity) =>
    Array.from({ length: 60 }, (_, at) => ({ identity, at, log: logs[at % logs.length] })),
  );
  const answers = await Promise.allSettled(
    all.map(async ({ identity, at, log }) => log?.bindAll(claims(identity, at), identity, max)),
  );
  const [first] = logs;
  const winner = (await first?.holderOf(resource)) ?? '';
  let bound = 0;
  for (const [index, { identity, at }] of all.entries()) {
    const answer = answers[index];
    const holder = await first?.holderOf(named(`${identity} ${at}`));
    if (answer?.status === 'rejected') expect(answer.reason).toMatchObject({ why: 'full' });
    else if (identity === winner) expect(answer?.value).toEqual([winner, winner]);
    else expect(answer?.value).toEqual([null, winner]);
    const isBound = answer?.status === 'fulfilled' && identity === winner;
    expect(holder).toBe(isBound ? identity : null);
    if (isBound) bound += 1;
  }
  expect(bound).toBe(max - 1);
  const other = winner === 'stock' ? 'billing' : 'stock';
  expect(await first?.bind(named('last'), other, 1)).toBe(other);
}

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

    it('is refused past the quota of the identity, which is told what to do', async () => {
      const at = (index: number): Claim => ({ participant: 'p', instance: `i-${index}` });
      for (const index of [1, 2]) expect(await rig.log.bind(at(index), 'stock', 2)).toBe('stock');
      await expect(rig.log.bind(at(3), 'stock', 2)).rejects.toMatchObject({
        name: 'BindRefusedError',
        why: 'full',
        message: expect.stringMatching(/its quota.*verdict retire.*"quotas\.instances"/),
      });
      expect(await rig.log.holderOf(at(3))).toBeNull();
      // Those that it has stay its own, and others have theirs.
      expect(await rig.log.bind(at(1), 'stock', 2)).toBe('stock');
      expect(await rig.log.bind(at(3), 'billing', 2)).toBe('billing');
      expect(await rig.log.bind({ ...at(1), participant: 'q' }, 'stock', 2)).toBe('stock');
      // What an operator gives away, or retires, makes room.
      await rig.log.rebind(at(1), 'billing');
      expect(await rig.log.bind(at(4), 'stock', 2)).toBe('stock');
      await expect(rig.log.bind(at(5), 'billing', 2)).rejects.toMatchObject({ why: 'full' });
      await rig.log.retire(at(4));
      await rig.log.retire(at(4));
      expect(await rig.log.bind(at(5), 'stock', 2)).toBe('stock');
      await expect(rig.log.bind(at(6), 'stock', 2)).rejects.toMatchObject({ why: 'full' });
    });

    it('is refused past the quota also where many ask at once, and each has its own', async () => {
      const at = (index: number): Claim => ({ participant: 'p', instance: `i-${index}` });
      const all = Array.from({ length: 200 }, (_, index) => index);
      const bound = async (identity: string, offset: number): Promise<number> => {
        const answers = await Promise.allSettled(
          all.map((index) => rig.log.bind(at(offset + index), identity, 3)),
        );
        for (const answer of answers) {
          if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ why: 'full' });
        }
        return answers.filter(({ status }) => status === 'fulfilled').length;
      };
      const both = [bound('stock', 0), bound('billing', 1_000)];
      expect(await Promise.all(both)).toEqual([3, 3]);
    });

    it('is once, and the last one there is room for, whenever it is asked for again', async () => {
      await expectOnce([rig.log]);
    });

    it('of several at once is of all or of none', async () => {
      const [held, gone] = [named('held'), named('gone')];
      await rig.log.bind(held, 'billing');
      await rig.log.bind(gone, 'stock');
      await rig.log.retire(gone);
      expect(await rig.log.bindAll([held, resource], 'stock')).toEqual(['billing', null]);
      await expect(rig.log.bindAll([gone, resource], 'stock')).rejects.toMatchObject({
        why: 'retired',
      });
      await expect(rig.log.bindAll([one, resource], 'stock', 1)).rejects.toMatchObject({
        why: 'full',
      });
      for (const claim of [resource, one]) expect(await rig.log.holderOf(claim)).toBeNull();
      expect(await rig.log.bindAll([one, resource], 'stock', 2)).toEqual(['stock', 'stock']);
      expect(await rig.log.bindAll([one, resource], 'stock', 0)).toEqual(['stock', 'stock']);
      const more = rig.log.bindAll([named('i-2'), resource], 'stock', 2);
      await expect(more).rejects.toMatchObject({ why: 'full' });
      expect(await rig.log.bindAll([named('i-2'), resource], 'stock', 3)).toEqual([
        'stock',
        'stock',
      ]);
    });

    it('of many with one shared resource at once, each has its own, and it is counted once', async () => {
      await expectShared([rig.log]);
    });

    it('is over when it is retired, for everyone and for good', async () => {
      for (const claim of [one, resource]) {
        await rig.log.bind(claim, 'stock');
        await rig.log.retire(claim);
        await expectFreed([rig.log], claim);
      }
      await rig.log.close();
      await expectFreed([await rig.fixture.open('alpha')], one);
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

/** It may not be bound, by anyone. */
async function expectFreed(logs: readonly DecisionLog[], claim: Claim): Promise<void> {
  for (const log of logs) {
    expect(await log.holderOf(claim)).toBeNull();
    for (const name of ['stock', 'billing']) {
      await expect(log.bind(claim, name)).rejects.toMatchObject({
        name: 'BindRefusedError',
        why: 'retired',
      });
      await expect(log.rebind(claim, name)).rejects.toMatchObject({ why: 'retired' });
    }
    expect(await log.holderOf(claim)).toBeNull();
  }
}

export function bindingAmongSeveral(rig: LogRig): void {
  it('of an instance that is retired while it is bound and rebound, nothing is left', async () => {
    const logs = [rig.log, await rig.fixture.open('beta'), await rig.fixture.open('gamma')];
    const [first, second, third] = logs as [DecisionLog, DecisionLog, DecisionLog];
    for (let round = 0; round < 20; round += 1) {
      const claim = { participant: 'p', instance: `i-${round}` };
      await Promise.allSettled([
        second.bind(claim, 'stock'),
        third.bind(claim, 'billing'),
        second.rebind(claim, 'third'),
        first.retire(claim),
        third.bind(claim, 'billing'),
      ]);
      await first.retire(claim);
      await expectFreed([second], claim);
    }
    // None of them counts any more.
    for (const name of ['stock', 'billing', 'third']) {
      expect(await first.bind({ participant: 'p', instance: name }, name, 1)).toBe(name);
    }
  });

  it('no identity has more than its quota, though several nodes bind for it at once', async () => {
    const logs = [rig.log, await rig.fixture.open('beta'), await rig.fixture.open('gamma')];
    for (let round = 0; round < 5; round += 1) {
      const participant = `p-${round}`;
      const answers = await Promise.allSettled(
        Array.from({ length: 90 }, (_, index) =>
          logs[index % 3]?.bind({ participant, instance: `i-${index}` }, 'stock', 3),
        ),
      );
      for (const answer of answers) {
        if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ why: 'full' });
      }
      expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    }
  });

  it('is no second one where several nodes are asked for it at once', async () => {
    await expectOnce([rig.log, await rig.fixture.open('beta'), await rig.fixture.open('gamma')]);
  });

  it('of many with one shared resource at several nodes, each has its own', async () => {
    await expectShared([rig.log, await rig.fixture.open('beta'), await rig.fixture.open('gamma')]);
  });

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

/** The only one its identity may have, asked for until it has it: also while it is written. */
async function expectOnce(logs: readonly DecisionLog[]): Promise<void> {
  for (let round = 0; round < 10; round += 1) {
    const claim = { participant: `p-${round}`, instance: 'i' };
    const asked: Promise<string>[] = [];
    let answered = 0;
    const ask = (): void => {
      for (const log of logs)
        asked.push(
          log.bind(claim, 'stock', 1).finally(() => {
            answered += 1;
          }),
        );
    };
    for (let turn = 0; turn < 8; turn += 1) {
      ask();
      await Promise.resolve();
    }
    while (answered === 0 && asked.length < 1_000) {
      await setImmediate();
      ask();
    }
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['stock']));
  }
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
