/**
 * The etcd of the simulation against a real one: the same requests, drawn at random over a few
 * keys, must be answered alike, or the simulation proves things about an etcd that there is not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd3 } from 'etcd3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { absent, nested, type Op, put, type Txn } from '../../src/decision-log/etcd/requests.ts';
import { EtcdState } from '../simulation/etcd/state.ts';
import { etcdsToTest, etcdVersion, type TestEtcd } from '../support/etcd/etcd.ts';
import { answering, startEtcd, stopEtcd } from '../support/etcd/twins/real.ts';
import {
  doing,
  grantStep,
  type OpDraft,
  type Step,
  step,
  txnStep,
} from '../support/etcd/twins/steps.ts';
import { expectAlike } from '../support/etcd/twins/twins.ts';

const etcds = await etcdsToTest();
const sequences = 100;
const sequencesWhenFull = 20;
const key = (name: string | number): Buffer => Buffer.from(`/table/${name}`);
const nothing = Buffer.of();

describe.skipIf(etcds.length === 0).each(etcds)('the simulated etcd and $etcd', (programs) => {
  let etcd: TestEtcd;
  let real: Etcd3;
  async function start(quotaBytes?: number): Promise<void> {
    ({ etcd, real } = await startEtcd(programs, quotaBytes));
  }
  const stop = () => stopEtcd({ etcd, real });

  describe(`of version ${etcdVersion(programs)}`, () => {
    beforeAll(() => start());
    afterAll(stop);

    it('answer random requests alike', async () => {
      const met = new Map<string, number>();
      const steps = fc.array(step, { minLength: 1, maxLength: 40, size: 'max' });
      await fc.assert(
        fc.asyncProperty(steps, (drawn) =>
          expectAlike(real, drawn, {
            answered: ({ do: what }, answer) => {
              const name = `${what}: ${kindOf(answer)}`;
              met.set(name, (met.get(name) ?? 0) + 1);
            },
          }),
        ),
        { numRuns: sequences },
      );
      // Narrow inputs would prove little.
      expect([...met.keys()]).toEqual(
        expect.arrayContaining([
          'txn: succeeded',
          'txn: failed',
          'txn: etcdserver: duplicate key given in txn request',
          'txn: etcdserver: requested lease not found',
          'revoke: answered',
          'revoke: etcdserver: requested lease not found',
          'beat: answered',
          'left: answered',
          'watch: answered',
        ]),
      );
      expect(met.get('txn: succeeded')).toBeGreaterThan(sequences);
      expect(met.get('txn: failed')).toBeGreaterThan(sequences);
    });

    it.each([1, 2, 3, 5])('grant %i s of a lease alike', async (ttlS) => {
      await expectAlike(real, [
        { do: 'grant', ttlS },
        { do: 'beat', lease: 1 },
        { do: 'revoke', lease: 1 },
      ]);
    });

    it.skipIf(programs.etcdctl === null)('come back from a copy alike', async () => {
      let copy = '';
      const put = (key: number, lease = 0): OpDraft => ({ op: 'put', key, value: 'v', lease });
      const realCopy = {
        copy: () => {
          copy = etcd.takeSnapshot('copy.db');
        },
        setBack: async () => {
          await etcd.restoreSnapshot(copy);
          await answering(real);
        },
      };
      const steps: readonly Step[] = [
        { do: 'grant', ttlS: 600 },
        { do: 'grant', ttlS: 500 },
        doing(put(1, 1), put(2), put(3, 2)),
        { do: 'copy' },
        { do: 'revoke', lease: 2 },
        { do: 'grant', ttlS: 400 },
        doing(put(1), put(4, 3), { op: 'remove', at: { from: 2, to: null } }),
        { do: 'set-back' },
        // The second one is there again, with the time that it was granted; the third has never
        // been.
        ...[1, 2, 3].map((lease) => ({ do: 'left', lease }) as const),
        ...[1, 2, 3].map((lease) => ({ do: 'beat', lease }) as const),
        doing({ op: 'get', at: { from: 1, to: 7 }, limit: 0 }),
        doing(put(5, 3)),
        // Revisions are handed out again.
        doing(put(5, 2)),
        { do: 'revoke', lease: 2 },
      ];
      await expectAlike(real, steps, { realCopy });
    });

    const many = (count: number, op: (index: number) => Op): Op[] =>
      Array.from({ length: count }, (_, index) => op(index));
    const puts = (count: number, from = 0): Op[] =>
      many(count, (index) => put(key(from + index), nothing));
    const sizes: readonly (readonly [string, Txn])[] = [
      ['128 operations', { success: puts(128) }],
      ['129 operations', { success: puts(129) }],
      ['129 operations that are not done', { failure: puts(129) }],
      ['128 compares', { compare: Array.from({ length: 128 }, () => absent(key('none'))) }],
      ['129 compares', { compare: Array.from({ length: 129 }, () => absent(key('none'))) }],
      ['127 nested ones of 1', { success: many(127, (at) => nested({ success: puts(1, at) })) }],
      ['128 nested ones of 1', { success: many(128, (at) => nested({ success: puts(1, at) })) }],
      ['128 nested ones of 0', { success: many(128, () => nested({})) }],
      ['2 nested ones of 63', { success: many(2, (at) => nested({ success: puts(63, at * 63) })) }],
      ['1 nested one of 127', { success: [nested({ success: puts(127) })] }],
      ['1 nested one of 128', { success: [nested({ success: puts(128) })] }],
      [
        'a batch as large as the log makes it',
        {
          compare: [absent(key('x')), absent(key('y'))],
          success: many(64, (at) => nested({ success: puts(1, at), failure: puts(4, at * 4) })),
        },
      ],
      ['two levels that fit', { success: [nested({ success: [nested({ success: puts(126) })] })] }],
      ['two levels too many', { success: [nested({ success: [nested({ success: puts(127) })] })] }],
      [
        'too many in a branch that is not taken',
        { success: [nested({ success: [], failure: puts(128) })] },
      ],
    ];
    it.each(sizes)('take or refuse %s alike', async (_, request) => {
      const state = new EtcdState();
      const simulated = attempt(async () => state.txn(request, () => false).result);
      expect(await simulated).toEqual(await attempt(() => real.kv.txn(request)));
    });
  });

  describe('both full', () => {
    beforeAll(async () => {
      await start(16 * 1024 * 1024);
      await fill(real);
    });
    afterAll(stop);

    it('refuse and take the same', async () => {
      const steps = fc.array(fc.oneof({ weight: 5, arbitrary: txnStep }, grantStep), {
        minLength: 1,
        maxLength: 30,
        size: 'max',
      });
      const kinds = new Set<string>();
      await fc.assert(
        fc.asyncProperty(steps, (drawn) =>
          expectAlike(real, drawn, {
            prepare: ({ server }) => {
              server.full = true;
            },
            answered: ({ do: what }, answer) => kinds.add(`${what}: ${kindOf(answer)}`),
            // Where there is another reason besides, etcd names one or the other.
            compared: ({ do: what }, answer) =>
              what === 'txn' && isRefused(answer) ? 'refused' : answer,
          }),
        ),
        { numRuns: sequencesWhenFull },
      );
      const noSpace = 'etcdserver: mvcc: database space exceeded';
      expect([...kinds]).toEqual(
        expect.arrayContaining([`grant: ${noSpace}`, `txn: ${noSpace}`, 'txn: succeeded']),
      );
    });
  });
});

describe('the simulated etcd', () => {
  const range_end = key('b');
  it.each<readonly [string, Txn]>([
    ['a read of the past', { success: [{ request_range: { key: key('a'), revision: '1' } }] }],
    ['an order', { success: [{ request_range: { key: key('a'), sort_order: 'Descend' } }] }],
    ['keys alone', { failure: [{ request_range: { key: key('a'), range_end, keys_only: true } }] }],
    ['what was there', { success: [{ request_put: { key: key('a'), prev_kv: true } }] }],
    ['no key', { success: [{ request_put: { value: nothing } }] }],
    [
      'an open range',
      { success: [{ request_delete_range: { key: key('a'), range_end: Buffer.of(0) } }] },
    ],
    [
      'a version',
      { compare: [{ key: key('a'), target: 'Version', result: 'Equal', version: '1' }] },
    ],
    [
      'more than',
      { compare: [{ key: key('a'), target: 'Mod', result: 'Greater', mod_revision: '1' }] },
    ],
    ['one nested', { success: [nested({ success: [{ request_put: { ignore_value: true } }] })] }],
    ['nothing', { success: [{}] }],
  ])('does not answer what it does not simulate: %s', (_, request) => {
    expect(() => new EtcdState().txn(request, () => true)).toThrow(/does not know/);
  });
});

async function fill(real: Etcd3): Promise<void> {
  const value = Buffer.alloc(1024 * 1024);
  for (let index = 0; ; index += 1) {
    try {
      await real.kv.put({ key: Buffer.from(`/filler/${index}`), value });
    } catch (error) {
      expect(String(error)).toContain('database space exceeded');
      break;
    }
  }
  // Small writes pass until the alarm, which is a write of etcd's own, has been applied.
  const isRaised = async () => (await real.maintenance.alarm({ action: 'Get' })).alarms.length > 0;
  while (!(await isRaised())) await sleep(20);
}

function isRefused(answer: unknown): boolean {
  return (answer as { refused?: string }).refused !== undefined;
}

function kindOf(answer: unknown): string {
  const { refused, succeeded } = answer as { refused?: string; succeeded?: boolean };
  if (refused !== undefined) return refused;
  return succeeded === undefined ? 'answered' : succeeded ? 'succeeded' : 'failed';
}

async function attempt(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'taken';
  } catch (error) {
    return /etcdserver: .*/.exec(String(error))?.[0] ?? String(error);
  }
}
