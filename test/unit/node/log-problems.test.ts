/** What `verdict status` and `/readyz` name where the decision log is the trouble. */
import { describe, expect, it } from 'vitest';
import { logProblems } from '../../../src/node/log-problems.ts';

const validMs = 2_000;

function seen(
  given: { ageMs?: number | null; confirmed?: readonly number[]; unled?: [number, number][] },
  nowMs = 100_000,
): string[] {
  const { ageMs = 500, confirmed = [0, 1, 2], unled = [] } = given;
  return logProblems({
    log: {
      meta: { shards: 3 } as never,
      lease: () => ({ ageMs, validMs }),
      isConfirmed: (shard) => confirmed.includes(shard),
    },
    nowMs,
    startedAtMs: 0,
    unledSinceMs: new Map(unled),
  });
}

describe('what is wrong with the decision log', () => {
  it('is nothing while the lease is fresh and every shard is led, or was until just now', () => {
    expect(seen({})).toEqual([]);
    expect(seen({ unled: [[1, 95_000]] })).toEqual([]);
  });

  it('is nothing within the first lease of a node', () => {
    expect(seen({ ageMs: null, confirmed: [] }, validMs - 1)).toEqual([]);
    expect(seen({ ageMs: null, confirmed: [] }, validMs)).toHaveLength(1);
  });

  it.each([{ ageMs: null }, { ageMs: validMs + 1 }])('is an etcd that is silent: %j', (lease) => {
    const [text] = seen({ ...lease, confirmed: [] });
    expect(text).toMatch(/^This node holds no lease in etcd, so it can lead nothing/);
  });

  it('is one of several etcds, by its shards', () => {
    const [text] = seen({ ageMs: null, confirmed: [0] });
    expect(text).toContain('no lease in the etcd of shards 1, 2, so it can lead none of them');
  });

  // A full etcd keeps leases, and lets no one begin to lead.
  it('is a shard that no one leads for long, though etcd answers', () => {
    const [text] = seen({ unled: [[2, 93_000]] });
    expect(text).toMatch(/^No one leads shard 2, though this node reaches etcd.*NOSPACE/);
  });

  it('is nothing of a log without leases', () => {
    const log = { meta: { shards: 1 } as never, isConfirmed: () => true };
    expect(logProblems({ log, nowMs: 9e9, startedAtMs: 0, unledSinceMs: new Map() })).toEqual([]);
  });
});
