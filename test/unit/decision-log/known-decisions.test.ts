import { expect, it } from 'vitest';
import type { DecisionRecord } from '../../../src/core/records.ts';
import { makeEpoch } from '../../../src/core/txid.ts';
import { KnownDecisions } from '../../../src/decision-log/known-decisions.ts';
import { txidAt } from '../../support/logs/stores.ts';

const epoch = makeEpoch({ generation: 0, revision: 1n });
const txid = txidAt(epoch, 1);
const record: DecisionRecord = { txid, outcome: 'commit', branches: [], requestId: 'r', atMs: 7 };
const left = { outcome: 'commit', requestId: 'r', atMs: 7 };

it('gives what a page named once, and nothing that a page named beside its move', () => {
  const known = new KnownDecisions();
  expect(known.take(txid)).toBeUndefined();
  known.moved([txid]);
  known.saw([record]);
  expect(known.take(txid)).toEqual(left);
  known.saw([record]);
  expect(known.take(txid)).toBeUndefined();
  known.moved([txid]);
  expect(known.take(txid)).toBeUndefined();
});

it('takes a record again that a page names after its move failed', () => {
  const known = new KnownDecisions();
  known.saw([record]);
  known.take(txid);
  known.moved([txid]);
  known.saw([record]);
  expect(known.take(txid)).toEqual(left);
});
