import { describe, expect, it } from 'vitest';
import { isAhead, type Judgement, judge, type Reading } from '../../../src/core/judge.ts';
import { makeEpoch, makePosition, positionZero } from '../../../src/core/txid.ts';
import { makeTxid } from '../../support/core/txids.ts';

const epoch = (revision: bigint): ReturnType<typeof makeEpoch> =>
  makeEpoch({ generation: 0, revision });
const older = epoch(1n);
const own = epoch(2n);
const newer = epoch(3n);
const txid = makeTxid({ shard: 0, epoch: own, sequence: 5, random: 'r'.repeat(13) });
const presumed = { decision: 'abort', source: 'presumed' } as const;

const table: {
  what: string;
  reading: Partial<Reading>;
  client: Judgement;
  inDoubt?: Judgement;
}[] = [
  {
    what: 'a commit record, whatever else',
    reading: {
      record: { outcome: 'commit', finished: true },
      floor: makePosition(newer, 1),
      leader: { epoch: newer },
    },
    client: { decision: 'commit', source: 'recorded' },
  },
  {
    what: 'an abort record',
    reading: { record: { outcome: 'abort', finished: false }, leader: { epoch: own } },
    client: { decision: 'abort', source: 'recorded' },
  },
  {
    what: 'nothing, at the floor',
    reading: { floor: makePosition(own, 5), leader: { epoch: own } },
    client: { decision: 'expired', source: 'presumed' },
    inDoubt: presumed,
  },
  {
    what: 'nothing, below the floor, and no leader',
    reading: { floor: makePosition(own, 6) },
    client: { decision: 'expired', source: 'presumed' },
    inDoubt: presumed,
  },
  {
    what: 'nothing, just above the floor, under a newer leader',
    reading: { floor: makePosition(own, 4), leader: { epoch: newer } },
    client: presumed,
  },
  { what: 'nothing and no leader', reading: {}, client: presumed },
  {
    what: 'nothing, and its own epoch leads',
    reading: { leader: { epoch: own } },
    client: { decision: 'undecided' },
  },
  {
    what: 'nothing, and an older epoch leads',
    reading: { leader: { epoch: older } },
    client: { decision: 'ahead' },
  },
];

describe('a judgement by one reading', () => {
  it.each(table)('$what', ({ reading, client, inDoubt }) => {
    const whole: Reading = { record: null, floor: positionZero, leader: null, ...reading };
    expect(judge(txid, whole, { inDoubt: false })).toEqual(client);
    expect(judge(txid, whole, { inDoubt: true })).toEqual(inDoubt ?? client);
  });

  it('compares witnesses by generation, then by revision as a number', () => {
    const at = (
      generation: number,
      revision: string,
    ): { generation: number; revision: string } => ({ generation, revision });
    expect(isAhead(at(0, '10'), at(0, '9'))).toBe(true);
    expect(isAhead(at(0, '9'), at(0, '10'))).toBe(false);
    expect(isAhead(at(0, '9'), at(0, '9'))).toBe(false);
    expect(isAhead(at(1, '1'), at(0, '9'))).toBe(true);
    expect(isAhead(at(0, '9'), at(1, '1'))).toBe(false);
    expect(isAhead(at(0, '9007199254740993'), at(0, '9007199254740992'))).toBe(true);
  });
});
