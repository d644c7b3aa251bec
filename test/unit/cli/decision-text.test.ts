/** What `verdict decision` and `verdict submit` say in words of their own. */
import { expect, it } from 'vitest';
import { undecidedText } from '../../../src/cli/operator/at-etcd.ts';
import { reasonForLines } from '../../../src/cli/submit/transact.ts';
import { outcomeOf } from '../../../src/client/outcome.ts';
import { abortReason } from '../../../src/core/catalogue.ts';
import type { Epoch, Position, Txid } from '../../../src/core/txid.ts';

const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a' as Txid;

it('undecided names a node to ask first: a living leader keeps its lease', () => {
  const leader = {
    shard: 0,
    node: 'a',
    url: 'ws://a:7070/v1',
    epoch: '00010000000000001' as Epoch,
  };
  const reading = {
    record: null,
    floor: '' as Position,
    leader,
    witness: { generation: 0, revision: '1' },
  };
  const text = undecidedText('undecided', { txid, reading });
  expect(text).toMatch(/^undecided {2}\(nothing is recorded, and its leader a at ws:\/\/a:7070/);
  expect(text).toContain(`Ask a node: verdict tx show ${txid}. If none answers, ask again when`);
});

it('a repeated abort is advised in options of the command', () => {
  const outcome = outcomeOf({
    type: 'outcome',
    id: 1,
    txid,
    outcome: 'aborted',
    reason: abortReason('CONFLICT'),
    results: null,
    repeats: 1,
  });
  if (outcome.outcome !== 'aborted') throw new Error('It is aborted.');
  const { message } = reasonForLines(outcome.reason);
  expect(message).toContain('To try again: --retry, or another requestId.');
  expect(message).not.toContain('`attempt');
});
