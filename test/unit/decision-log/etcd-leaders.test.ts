import { describe, expect, it } from 'vitest';
import { makeEpoch } from '../../../src/core/txid.ts';
import { LeaderBoard, NodeBoard } from '../../../src/decision-log/boards.ts';
import type { ObservedLeader } from '../../../src/decision-log/etcd/leader-key.ts';
import { Leaders } from '../../../src/decision-log/etcd/leaders.ts';
import { EtcdStore } from '../../../src/decision-log/etcd/store.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const leader = (node: string, modRevision: string): ObservedLeader => ({
  info: {
    shard: 0,
    epoch: makeEpoch({ generation: 0, revision: BigInt(modRevision) }),
    node,
    url: `ws://${node}`,
  },
  modRevision,
  value: Buffer.from(node),
  lease: '1',
});

function setUp() {
  const clock = new ManualClock();
  const endpoints = ['http://127.0.0.1:1'];
  const changes: number[] = [];
  const board = new LeaderBoard(1);
  // No one is called: nothing here starts.
  const random = { fraction: () => 0 };
  const store = new EtcdStore({ endpoints, cluster: 'test', clock, random });
  const leaders = new Leaders({
    store,
    shards: [0],
    leaseTtlMs: 3_000,
    board,
    nodes: new NodeBoard(),
    read: () => undefined,
    changed: (shard) => changes.push(shard),
  });
  return { leaders, board, changes };
}

describe('leaders as they were read', () => {
  it('are not set back by a reading that was overtaken', () => {
    const { leaders, board, changes } = setUp();
    leaders.learn(0, leader('alpha', '10'), '10');
    leaders.learn(0, null, '9');
    leaders.learn(0, leader('old', '5'), '8');
    expect(leaders.at(0)?.info.node).toBe('alpha');
    expect(board.leaders()[0]?.node).toBe('alpha');
    expect(changes).toEqual([0]);
  });

  it('tell only of changes', () => {
    const { leaders, board, changes } = setUp();
    leaders.learn(0, null, '1');
    leaders.learn(0, leader('alpha', '10'), '10');
    leaders.learn(0, leader('alpha', '10'), '20');
    leaders.learn(0, null, '30');
    expect(changes).toEqual([0, 0]);
    expect(board.leaders()).toEqual([null]);
    leaders.learn(7, leader('alpha', '40'), '40');
    expect(changes).toEqual([0, 0]);
  });
});
