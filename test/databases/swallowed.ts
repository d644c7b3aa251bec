/**
 * A connection that is swallowed in the middle of a branch: by a NAT, a firewall, a cable. Neither
 * side hears of it.
 */
import { describe, expect, it } from 'vitest';
import type { Sql } from '../../src/postgresql.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { within } from '../support/process/child.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import { type OpenWork, portOf, raise, type Work, type WorkResource } from './sql-resource.ts';

export interface SwallowedBench {
  readonly open: (more?: OpenWork) => Promise<WorkResource>;
  readonly port: () => number;
  /** Rejects where somebody holds account 1, at once. */
  readonly free: () => Promise<unknown>;
}

const soon = { timeout: 20_000, interval: 50 };

export function swallowed({ open, port, free }: SwallowedBench): void {
  describe('a connection swallowed before the vote', () => {
    /** Its own from the first statement on, whatever else is connected. */
    async function begun(more: OpenWork) {
      const proxy = await TcpProxy.started(port());
      const resource = await open({ ...more, port: portOf(proxy) });
      const work = async (sql: Sql, swallow: () => void): Promise<void> => {
        await raise(sql);
        swallow();
        await raise(sql);
      };
      return { proxy, resource, work };
    }

    it('of a transaction that is given up: the lock goes, and prepare ends', async () => {
      const { proxy, resource, work } = await begun({});
      const given = new AbortController();
      const swallow = (): void => {
        proxy.losesEnds = true;
        proxy.rule = (direction) => (direction === 'request' ? 'lose-replies' : 'pass');
        setTimeout(() => given.abort(new Error('rolled back')), 100);
      };
      const call = prepareCall<Work>((sql) => work(sql, swallow), { signal: given.signal });
      await expect(resource.prepare(call)).rejects.toThrow();
      await resource.rollback(refOf(call));
      await expect.poll(() => free().then(() => 'free'), soon).toBe('free');
      await proxy.close();
    });

    it('with all others: the server ends the lock within lockLimitMs, however long the transaction may take', async () => {
      const { proxy, resource, work } = await begun({ lockLimitMs: 2_000 });
      let held = false;
      const swallow = (): void => {
        held = true;
        proxy.blackhole();
      };
      const call = prepareCall<Work>((sql) => work(sql, swallow), { timeoutMs: 600_000 });
      const preparing = Promise.resolve(resource.prepare(call));
      await expect.poll(() => held, soon).toBe(true);
      await expect(free()).rejects.toThrow();
      await expect
        .poll(
          () =>
            free()
              .then(() => 'free')
              .catch(() => 'held'),
          soon,
        )
        .toBe('free');
      expect(await preparing).toMatchObject({
        vote: 'abort',
        reason: { code: 'RESOURCE_UNAVAILABLE', retryable: true },
      });
      proxy.cut();
      await proxy.close();
    });
  });

  it('idle connections that are swallowed do not hold up the end of the resource', async () => {
    const proxy = await TcpProxy.started(port());
    const resource = await open({ port: portOf(proxy) });
    const call = prepareCall<Work>((sql) => raise(sql).then(() => 'commit'));
    await resource.prepare(call);
    await resource.commit(refOf(call));
    proxy.losesEnds = true;
    proxy.rule = () => 'lose-replies';
    proxy.blackhole();
    // On one of them something is under way.
    void Promise.resolve(resource.inDoubt?.()).catch(() => undefined);
    await within(resource.close(), 'the end of the resource', 10_000);
    await proxy.close();
  });
}
