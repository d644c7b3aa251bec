/** What doctor says of nodes that are drained: they lead on what no other node takes. */
import { describe, expect, it } from 'vitest';
import { judgeNodes, type NodeFacts } from '../../../../src/cli/doctor/judge-nodes.ts';
import { makeEpoch } from '../../../../src/core/txid.ts';

const epoch = makeEpoch({ generation: 0, revision: 1n });

/** `led`: by whom each shard. */
function readiness(drained: readonly string[], led: readonly string[]) {
  const shards = led.map((node, shard) => ({
    shard,
    leader: { shard, epoch, node, url: `ws://${node}` },
  }));
  const leaders = shards.map(({ leader }) => leader);
  const nodes = ['a', 'b', 'c'].map((node): NodeFacts => {
    const isDrained = drained.includes(node);
    const info = {
      ...{ node, version: '1', ready: !isDrained, shards },
      ...(isDrained && { drained: true }),
    } as unknown as NodeFacts['info'];
    return { node, url: `ws://${node}`, info, stats: null, configuration: {}, problem: null };
  });
  const findings = judgeNodes({ nodes, silent: [], leaders, clocks: [] });
  return findings.filter(({ check }) => check === 'readiness');
}

describe('a drained node', () => {
  it('leads nothing where others took its shards', () => {
    expect(readiness(['a'], ['b', 'c'])).toMatchObject([
      { status: 'warning', found: 'a is drained: it leads nothing.' },
    ]);
  });

  it('is not said to lead nothing where it leads on', () => {
    const [first, second] = readiness(['a', 'b'], ['a', 'c', 'a']);
    expect(first).toMatchObject({
      status: 'warning',
      found: 'a is drained, and leads on what no other node took: shards 0,2.',
      todo: expect.stringContaining('verdict drain a'),
    });
    expect(second).toMatchObject({ found: 'b is drained: it leads nothing.' });
  });

  it('is a problem where all nodes are drained', () => {
    const findings = readiness(['a', 'b', 'c'], ['a', 'b']);
    expect(findings.map(({ status }) => status)).toEqual([
      'warning',
      'warning',
      'warning',
      'problem',
    ]);
    expect(findings[3]?.found).toBe('Every node that answers is drained: none is ready.');
  });
});
