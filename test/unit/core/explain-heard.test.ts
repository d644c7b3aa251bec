/** Neither leader nor log answers, and a participant says what it was told. */
import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/core/explain/explain.ts';
import type { HeldBranchFacts, LeaderFacts } from '../../../src/core/explain/facts.ts';
import { makeEpoch } from '../../../src/core/txid.ts';
import { makeTxid } from '../../support/core/txids.ts';

const epoch = makeEpoch({ generation: 0, revision: 40n });
const txid = makeTxid({ shard: 0, epoch, sequence: 1, random: 'abcdefghijklm' });
const silent: LeaderFacts = { type: 'silent', node: null, why: 'No node leads its shard.' };

function summaryWhere(states: readonly HeldBranchFacts['state'][], leader = silent): string {
  const participants = states.map((state, index) => {
    const participant = 'abc'.charAt(index);
    const branches = [{ branch: participant, state, attempts: 9 }];
    return { participant, instance: `${participant}1`, branches };
  });
  const log = { ok: false, why: 'no answer within 1000 ms' } as const;
  return explain({ txid, node: 'n1', issued: true, leader, log, participants }).summary;
}

describe('where neither the leader nor the log answers', () => {
  it.each(['committing', 'committed', 'forgotten'] as const)(
    'it is committed, as one says that is %s: it was told so',
    (state) => {
      const summary = summaryWhere(['in-doubt', state]);
      expect(summary).toContain('Committed, as b says, which was told so.');
      expect(summary).not.toContain('Nothing can be said of it');
    },
  );

  it('also where its leader had not written it when it led last', () => {
    const was = { txid, state: 'READY', ageMs: 9, attention: false, branches: [] } as const;
    const summary = summaryWhere(['committing', 'committed'], { ...silent, was });
    expect(summary).toContain('Committed, as a and b say, which were told so.');
    expect(summary).not.toContain('only the log can say');
  });

  it.each([[['in-doubt']], [['rolled-back', 'readonly']], [['rolling-back']], [[]]] as const)(
    'of %j nothing follows',
    (states) => {
      expect(summaryWhere(states)).toContain('Nothing can be said of it at the moment');
    },
  );
});
