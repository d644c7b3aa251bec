/**
 * Why "no space" says nothing about what became of a write (src/decision-log/etcd/fenced.ts): etcd
 * looks at its quota again when a request is applied, and gives this answer though it was. It takes
 * requests that are under way as etcd becomes full.
 */
import { describe, expect, it } from 'vitest';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { patiently, type RealEtcd, startEtcd, stopEtcd } from '../support/etcd/twins/real.ts';

const etcds = await etcdsToTest();
const quotaBytes = 16 * 1024 * 1024;
const underWay = 48;
const value = Buffer.alloc(256 * 1024);
/** Most show it; it depends on what is under way when etcd counts. */
const maxFillings = 15;

describe.skipIf(etcds.length === 0).each(etcds)('a full etcd at $etcd', (programs) => {
  it('says so of requests that it has carried out', async () => {
    let carriedOut = 0;
    for (let filling = 1; filling <= maxFillings && carriedOut === 0; filling += 1) {
      const started = await startEtcd(programs, quotaBytes);
      try {
        carriedOut = await countCarriedOut(started, await refusedKeys(started));
      } finally {
        await stopEtcd(started);
      }
    }
    expect(carriedOut).toBeGreaterThan(0);
  });
});

/** The key of each writer's first put that was refused. */
async function refusedKeys({ real }: RealEtcd): Promise<readonly Buffer[]> {
  const writers = Array.from({ length: underWay }, async (_, writer) => {
    for (let count = 0; ; count += 1) {
      const key = Buffer.from(`/full/${writer}/${count}`);
      try {
        await real.kv.txn({ success: [{ request_put: { key, value } }] }, patiently());
      } catch (error) {
        expect(String(error)).toContain('database space exceeded');
        return key;
      }
    }
  });
  return Promise.all(writers);
}

async function countCarriedOut({ real }: RealEtcd, keys: readonly Buffer[]): Promise<number> {
  let there = 0;
  for (const key of keys) {
    const { count } = await real.kv.range({ key, count_only: true }, patiently());
    there += Number(count);
  }
  return there;
}
