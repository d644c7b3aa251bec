import { describe, expect, it } from 'vitest';
import type { Txid } from '../../src/core/txid.ts';
import { makeEpoch } from '../../src/core/txid.ts';
import { CrashedError } from '../../src/testing.ts';
import { txidAt } from '../support/logs/stores.ts';
import { eventually, pause } from '../support/process/child.ts';
import { directoryHarness, type HostedHarness } from '../support/resources/hosted-harness.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { resourceContract, type Writes } from './resource.ts';

const payloadOf = (writes: Writes): unknown => ({
  messages: Object.entries(writes).map(([key, value]) => ({ key, value })),
});

function harness(): HostedHarness {
  return directoryHarness({
    file: './hosted-outbox.ts',
    payloadThatWrites: payloadOf,
    payloadThatRefuses: () => ({ messages: null }),
  });
}

/** It only adds: two branches never exclude each other. */
resourceContract('outbox', async () => harness(), { writesCompete: false });

describe('outbox under kill -9', () => {
  it('publishes what is committed at least once, in order, and nothing else', async () => {
    const outbox = harness();
    const random = seededRandom(7);
    const epoch = makeEpoch({ generation: 0, revision: 1n });
    /** In the order of the commits that were answered. */
    const committed: string[] = [];
    const rolledBack = new Set<string>();
    let sequence = 0;
    const one = async (): Promise<void> => {
      sequence += 1;
      const key = `m${sequence}`;
      const branch = {
        txid: txidAt(epoch, sequence),
        branch: 'mail',
        payload: payloadOf({ [key]: key }),
      };
      const { signal } = new AbortController();
      const working = (): void => undefined;
      await outbox.resource.prepare({ ...branch, signal, working, timeoutMs: 30_000 });
      if (random.fraction() < 0.3) {
        rolledBack.add(key);
        await outbox.resource.rollback(branch);
        return;
      }
      await outbox.resource.commit(branch);
      committed.push(key);
    };
    try {
      for (let round = 0; round < 5; round += 1) {
        await outbox.start();
        const doubts = await outbox.resource.inDoubt();
        for (const { txid, branch } of doubts) {
          await outbox.resource.rollback({ txid: txid as Txid, branch, payload: undefined });
        }
        let killed = false;
        const live = (async () => {
          while (!killed) await one();
        })().catch((error: unknown) => {
          if (!(error instanceof CrashedError)) throw error;
        });
        // However slow it is, there is something to keep before the moment that chance picks.
        const before = committed.length;
        await eventually(
          () => (committed.length > before + 2 ? true : null),
          () => 'three commits',
        );
        await pause(random.fraction() * 200);
        await outbox.crash();
        killed = true;
        await live;
      }
      await outbox.start();
      const lines = (await outbox.call('lines')) as { id: string; body: { key: string } }[];
      const firsts = [
        ...new Map(lines.toReversed().map((line) => [line.id, line.body.key])).values(),
      ];
      firsts.reverse();
      expect(committed.length).toBeGreaterThan(10);
      // One whose answer was lost in a crash may be among them.
      expect(firsts.filter((key) => committed.includes(key))).toEqual(committed);
      for (const key of firsts) expect(rolledBack).not.toContain(key);
      // One id for each message, however often it came.
      expect(new Set(lines.map(({ id, body }) => `${id} ${body.key}`)).size).toBe(firsts.length);
    } finally {
      await outbox.dispose();
    }
  });
});
