/** A coordinator in the test's process: as many as one likes, and none that stays. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../src/client.ts';
import { serveParticipant, silentLogger, vote } from '../../../src/participant.ts';
import { startTestCoordinator, type TestOptions } from '../../../src/testing.ts';
import { Child } from '../../support/process/child.ts';

const serve = (verdict: TestOptions, prepare = async () => vote.commit()) =>
  serveParticipant({
    name: 'inventory',
    logger: silentLogger,
    ...verdict,
    prepare,
    commit: () => undefined,
    rollback: () => undefined,
  });
const branches = [{ participant: 'inventory' }];

describe('a test coordinator', () => {
  it('runs beside many others', async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const coordinator = await startTestCoordinator();
        await coordinator.participant((verdict) =>
          serve(verdict, async () => vote.commit({ from: index }) as never),
        );
        const client = await coordinator.connect();
        const outcome = await client.transact({ branches });
        return { coordinator, outcome };
      }),
    );
    expect(new Set(all.map(({ coordinator }) => coordinator.urls[0])).size).toBe(20);
    for (const [index, { outcome }] of all.entries()) {
      expect(outcome).toMatchObject({ results: { inventory: { from: index } } });
    }
    await Promise.all(all.map(({ coordinator }) => coordinator.close()));
  });

  it('is reached by its urls, by a client that knows nothing of tests', async () => {
    await using coordinator = await startTestCoordinator();
    await coordinator.participant((verdict) => serve(verdict));
    await using client = await connect({ urls: coordinator.urls });
    expect(await client.transact({ branches })).toMatchObject({ outcome: 'committed' });
  });

  it('keeps its port while it is gone, for whoever knows it', async () => {
    await using coordinator = await startTestCoordinator();
    await coordinator.participant((verdict) => serve(verdict));
    await using client = await connect({ urls: coordinator.urls });
    const urls = [...coordinator.urls];
    await coordinator.goneFor(30);
    expect(coordinator.urls).toEqual(urls);
    expect(await client.transact({ branches })).toMatchObject({ outcome: 'committed' });
  });

  it('closes at once over a transaction that a failed test left open', async () => {
    const coordinator = await startTestCoordinator();
    await coordinator.participant((verdict) => serve(verdict, () => new Promise(() => undefined)));
    const client = await coordinator.connect();
    const left = client.transact({ branches }).catch((error: { code: string }) => error.code);
    const open = await client.begin();
    await expect.poll(() => coordinator.transactions()).toHaveLength(2);
    await coordinator.close();
    expect(await left).toBe('OUTCOME_UNKNOWN');
    await expect(open.commit()).rejects.toMatchObject({ code: 'CLOSED' });
    await coordinator.close();
    await expect(coordinator.connect()).rejects.toThrow('closed');
  });

  it('closes while it is gone', async () => {
    const coordinator = await startTestCoordinator();
    const gone = coordinator.goneFor(3_600_000);
    await coordinator.close();
    await gone;
  });

  it('says of what is not settled what is missing', async () => {
    await using coordinator = await startTestCoordinator();
    await coordinator.participant((verdict) => serve(verdict, () => new Promise(() => undefined)));
    const client = await coordinator.connect();
    void client.transact({ branches }).catch(() => undefined);
    await expect.poll(async () => (await coordinator.transactions())[0]?.state).toBe('PREPARING');
    await expect(coordinator.whenAllSettled({ timeoutMs: 20 })).rejects.toThrow(
      /is not settled after 20 ms\. It is PREPARING: inventory preparing\.$/,
    );
  });

  it('says so of a transaction that there never was', async () => {
    await using coordinator = await startTestCoordinator();
    await using another = await startTestCoordinator();
    const { txid } = await (await another.connect()).begin();
    await expect(coordinator.whenSettled(txid)).rejects.toThrow(txid);
    await expect(coordinator.whenSettled('17' as never)).rejects.toThrow(TypeError);
  });

  it('tells a participant that cannot be started again', async () => {
    const coordinator = await startTestCoordinator();
    let starts = 0;
    await coordinator.participant((verdict) => {
      starts += 1;
      if (starts > 1) throw new Error('The pool is closed.');
      return serve(verdict);
    });
    const client = await coordinator.connect();
    coordinator.inject('crash after the vote');
    void client.transact({ branches }).catch(() => undefined);
    await expect.poll(() => starts).toBe(2);
    await expect(coordinator.whenAllSettled()).rejects.toThrow('The pool is closed.');
    await expect(coordinator.close()).rejects.toThrow('The pool is closed.');
  });

  it('leaves nothing that keeps a process', async () => {
    const child = new Child('test/support/process/testing-entry.ts', { args: [] });
    expect(await child.exited).toMatchObject({ code: 0 });
    expect(child.lines).toContain('committed');
  });
});

describe('time', () => {
  afterEach(() => void vi.useRealTimers());

  it('passes at once where a test moves it: a time-out of 60 s', async () => {
    await using coordinator = await startTestCoordinator({
      options: { prepareTimeoutMs: 0 },
    });
    await coordinator.participant((verdict) => serve(verdict, () => new Promise(() => undefined)));
    const client = await coordinator.connect();
    const outcome = client.transact({ branches, timeoutMs: 60_000 }, { timeoutMs: 120_000 });
    let isOver = false;
    void outcome.then(() => {
      isOver = true;
    });
    await expect.poll(async () => (await coordinator.transactions())[0]?.state).toBe('PREPARING');
    await coordinator.clock.advance(50_000);
    expect(isOver).toBe(false);
    await coordinator.clock.advance(11_000);
    expect(await outcome).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'TRANSACTION_TIMEOUT' },
    });
  });

  it('goes on by itself, and only forwards', async () => {
    await using coordinator = await startTestCoordinator();
    const { clock } = coordinator;
    const before = clock.wallMs();
    await Promise.all([clock.advance(3_600_000), clock.advance(0)]);
    expect(clock.wallMs() - before).toBeGreaterThanOrEqual(3_599_999);
    expect(() => clock.advance(-1)).toThrow(RangeError);
    await clock.advance(86_400_000);
    await coordinator.participant((verdict) => serve(verdict));
    const client = await coordinator.connect();
    expect(await client.transact({ branches })).toMatchObject({ outcome: 'committed' });
  });

  it('says what to do where fake timers came before it', async () => {
    vi.useFakeTimers();
    vi.resetModules();
    const late = await import('../../../src/testing.ts');
    await expect(late.startTestCoordinator()).rejects.toThrow('at the top of the test file');
    // What was loaded with them keeps them.
    vi.resetModules();
  });

  it("is not stopped by vitest's fake timers", async () => {
    await using coordinator = await startTestCoordinator();
    await coordinator.participant((verdict) => serve(verdict));
    const client = await coordinator.connect();
    await using plain = await connect({ urls: coordinator.urls });
    vi.useFakeTimers();
    for (const each of [client, plain]) {
      const outcome = await each.transact({ branches });
      expect(outcome).toMatchObject({ outcome: 'committed' });
      await coordinator.whenSettled(outcome.txid);
    }
    await using another = await startTestCoordinator();
    await another.clock.advance(60_000);
    await coordinator.goneFor(10);
    expect(await client.transact({ branches })).toMatchObject({ outcome: 'committed' });
    vi.useRealTimers();
  });
});
