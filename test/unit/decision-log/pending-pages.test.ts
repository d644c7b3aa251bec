/** What a new leader reads of decisions/, where records are large and the line to etcd is slow. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EtcdStub } from '../../../src/decision-log/etcd/client.ts';
import type { DecisionLog, DecisionRecord, Leadership } from '../../../src/ports/decision-log.ts';
import { SimulatedEtcd } from '../../support/etcd/simulated-etcd.ts';
import { openSimulatedLog } from '../../support/etcd/simulated-leader.ts';
import { commitOf, never, txidAt } from '../../support/logs/stores.ts';

const kib = 1_024;
let etcd: SimulatedEtcd;
let log: DecisionLog;
let leadership: Leadership;
/** Of answers that came through. */
let answers: number[];
/** More than this in one answer does not arrive in time. */
let lineBytes: number;

beforeEach(async () => {
  etcd = new SimulatedEtcd();
  answers = [];
  lineBytes = Number.POSITIVE_INFINITY;
  log = etcd.awaited(await openSimulatedLog(etcd, etcd.process('node'), 3_000, overLine));
  leadership = await log.campaign(0, { signal: never });
});
afterEach(async () => {
  await log.close();
  etcd.close();
});

function overLine(stub: EtcdStub): EtcdStub {
  const txn: EtcdStub['kv']['txn'] = async (...request) => {
    const result = await stub.kv.txn(...request);
    const ranges = result.responses.map(({ response_range }) => response_range?.kvs ?? []);
    const bytes = ranges.flat().reduce((sum, { value }) => sum + value.length, 0);
    if (bytes > lineBytes) throw new Error('Deadline exceeded.');
    answers.push(bytes);
    return result;
  };
  return { ...stub, kv: { ...stub.kv, txn } };
}

/** Of so many KiB each. */
async function decided(sizes: readonly number[]): Promise<DecisionRecord[]> {
  const records = sizes.map((size, at) => {
    const { record } = commitOf(txidAt(leadership.epoch, at + 1));
    const [branch] = record.branches;
    if (branch === undefined) throw new Error('no branch');
    const branches = Array.from({ length: size * 8 }, () => ({
      ...branch,
      branch: 'b'.repeat(50),
    }));
    return size === 0 ? record : { ...record, branches };
  });
  for (const record of records) await leadership.decide({ record, finished: false });
  answers = [];
  return records;
}

it('large ones come a megabyte at a time, small ones by the hundred', async () => {
  const large = await decided(Array.from({ length: 60 }, () => 64));
  expect(await leadership.pending({ after: null, limit: 500 })).toEqual(large);
  expect(Math.max(...answers)).toBeLessThanOrEqual(2_048 * kib);
  expect(Math.max(...answers)).toBeGreaterThan(256 * kib);
  expect(await leadership.pending({ after: large[9]?.txid ?? null, limit: 7 })).toEqual(
    large.slice(10, 17),
  );
});

it('small ones cost few calls', async () => {
  const small = await decided(Array.from({ length: 400 }, () => 0));
  expect(await leadership.pending({ after: null, limit: 500 })).toEqual(small);
  expect(answers.length).toBeLessThanOrEqual(6);
});

it('what a page has shown counts for the next', async () => {
  const small = await decided(Array.from({ length: 400 }, () => 0));
  const pages: DecisionRecord[] = [];
  for (let page = 0; page < 4; page += 1) {
    pages.push(...(await leadership.pending({ after: pages.at(-1)?.txid ?? null, limit: 100 })));
  }
  expect(pages).toEqual(small);
  expect(answers.length).toBeLessThanOrEqual(7);
});

it('readings of one turn share few calls, and what moves is not read again', async () => {
  const small = await decided(Array.from({ length: 320 }, () => 0));
  const txids = small.map(({ txid }) => txid);
  const readings = await Promise.all(txids.map((txid) => log.read(txid)));
  expect(readings.map(({ record }) => record?.record)).toEqual(small);
  expect(answers).toHaveLength(10);
  answers = [];
  await leadership.finish(txids);
  expect(answers).toEqual([0, 0, 0, 0, 0]);
});

it('what does not come in time is asked for in smaller pages, and the leadership is not lost over it', async () => {
  const mixed = await decided([
    ...Array.from({ length: 20 }, () => 0),
    ...Array.from({ length: 40 }, () => 32),
  ]);
  lineBytes = 200 * kib;
  expect(await leadership.pending({ after: null, limit: 500 })).toEqual(mixed);
  expect(leadership.lost.aborted).toBe(false);
});
