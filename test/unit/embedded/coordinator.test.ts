import { describe, expect, it } from 'vitest';
import { TransactionCoordinator } from '../../../src/embedded.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { held } from '../../support/library/embedded-participant.ts';
import { begin, pair, using } from '../../support/library/embedded-rig.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';

describe('a coordinator', () => {
  it('refuses options that do not exist or are out of bounds', () => {
    expect(() => new TransactionCoordinator({ prepareTimeout: 5 } as never)).toThrow(RangeError);
    expect(() => new TransactionCoordinator({ prepareTimeoutMs: -1 })).toThrow('prepareTimeoutMs');
  });

  it('rejects every call when its log cannot be opened', async () => {
    const coordinator = new TransactionCoordinator({ log: { kind: 'paper' } as never });
    await expect(coordinator.ready()).rejects.toThrow('log.kind');
    await expect(coordinator.beginTransaction()).rejects.toThrow('log.kind');
    await coordinator.close();
  });

  it.each<[unknown, RegExp]>([
    [{ kind: 'lmdb' }, /log.directory must be given/],
    [{ kind: 'lmdb', dir: './data' }, /"dir" in log\..* directory/],
    [{ kind: 'etcd', endpoint: 'x' }, /"endpoint" in log\..* endpoints/],
    [{ kind: 'memory', directory: './data' }, /"directory" in log/],
    ['lmdb', /log.kind must be/],
  ])('rejects every call where the log is to be %j', async (log, said) => {
    const coordinator = new TransactionCoordinator({ log } as never);
    await expect(coordinator.ready()).rejects.toThrow(said);
    await coordinator.close();
  });

  it.each<[string, unknown[], RegExp]>([
    ['beginTransaction', [{ timeout: 5 }], /"timeout" in beginTransaction\..* timeoutMs/],
    ['beginTransaction', [{ timeoutMs: '5' }], /timeoutMs in beginTransaction must be a number/],
    ['rollbackTransaction', ['x', { a: 1 }], /reason of a rollback must be a string/],
    ['whenSettled', ['x', { timeout: 5 }], /"timeout" in whenSettled/],
    ['recover', [], /recover wants every participant/],
    ['recover', [[], { wait: 5 }], /"wait" in recover's options\..* waitMs/],
  ])('%s(%j) is refused', async (call, given, said) => {
    await using coordinator = new TransactionCoordinator();
    type Calls = Readonly<Record<string, (...given: unknown[]) => Promise<unknown>>>;
    const refused = (coordinator as unknown as Calls)[call]?.(...given);
    await expect(refused).rejects.toThrow(TypeError);
    await expect(refused).rejects.toThrow(said);
  });

  it.each<[unknown, string]>([
    [5, '5'],
    [undefined, 'undefined'],
    ['x', '"x"'],
  ])('says of an inDoubt that returns %j what it should', async (listed, said) => {
    await using coordinator = new TransactionCoordinator();
    const [inventory] = pair();
    const odd = Object.assign(inventory, { inDoubt: () => listed as never });
    expect((await coordinator.recover([odd])).failed).toMatchObject([
      { error: expect.stringContaining(`inDoubt must return a list of txids, not ${said}.`) },
    ]);
  });

  it.each([[null], ['info'], [{}]])('refuses %j as a logger', (logger) => {
    expect(() => new TransactionCoordinator({ logger: logger as never })).toThrow(
      /logger in TransactionCoordinator has no method/,
    );
  });

  it('lets what is under way end when it is closed, and takes no more', async () => {
    const coordinator = new TransactionCoordinator();
    const { answer, give } = held();
    const [inventory, payment] = pair({ prepare: [answer] });
    const txid = await begin(coordinator, [inventory, payment]);
    const commit = coordinator.commitTransaction(txid);
    const closed = coordinator.close();
    await expect(coordinator.beginTransaction()).rejects.toMatchObject({ code: 'CLOSED' });
    give(true);
    expect(await commit).toBe(true);
    await closed;
    expect(payment.of(txid)).toEqual(['prepare', 'commit']);
    await expect(coordinator.commitTransaction(txid)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('decides and says nothing any more once it met a fault of its own', async () => {
    const fatal: unknown[] = [];
    const coordinator = new TransactionCoordinator({
      onFatal: (error) => fatal.push(error),
      reached: (point) => {
        if (point === 'before-decision') throw new Error('A planted fault.');
      },
    });
    const [inventory, payment] = pair();
    const other = await begin(coordinator, [inventory]);
    const txid = await begin(coordinator, [inventory, payment]);
    await expect(coordinator.commitTransaction(txid)).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      acted: 'unknown',
    });
    expect(fatal).toMatchObject([{ message: 'A planted fault.' }]);
    for (const call of [
      () => coordinator.beginTransaction(),
      () => coordinator.commitTransaction(other),
      () => coordinator.getTransactionStatus(txid),
      () => coordinator.recover([inventory]),
      () => coordinator.unfinished(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    await coordinator.close();
    expect(payment.of(txid)).toEqual(['prepare']);
  });

  it('waits for what no one ends until drainMs is over once, and no second time', async () => {
    const drainMs = 3_000;
    const coordinator = new TransactionCoordinator({ drainMs });
    await coordinator.beginTransaction();
    const begun = performance.now();
    await coordinator.close();
    const tookMs = performance.now() - begun;
    expect(tookMs).toBeGreaterThan(drainMs - 100);
    // What a machine at work on all else adds is less than a second wait would.
    expect(tookMs).toBeLessThan(2 * drainMs);
  });

  it('ends in order where its log is gone: no rejection is left to no one', async () => {
    const directory = temporaryDirectory();
    const fatal = Promise.withResolvers<unknown>();
    const notGivenUp = Promise.withResolvers<void>();
    const coordinator = new TransactionCoordinator({
      log: { kind: 'lmdb', directory: directory.path },
      drainMs: 100,
      onFatal: (error) => fatal.resolve(error),
      logger: {
        ...silentLogger,
        warn: (_: object, text: string) => {
          if (text.includes('could not be given up')) notGivenUp.resolve();
        },
      },
    });
    const [inventory, payment] = pair();
    const txid = await begin(coordinator, [inventory, payment]);
    directory.remove();
    await expect(coordinator.commitTransaction(txid)).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    });
    expect(await fatal.promise).toMatchObject({
      message: expect.stringContaining('was removed or replaced'),
    });
    await coordinator.close();
    await notGivenUp.promise;
  });

  it('forgets what participants returned after maxRecent transactions', () =>
    using({ maxRecent: 2 }, async (coordinator) => {
      const [inventory, payment] = pair();
      const txids: string[] = [];
      for (let round = 0; round < 4; round += 1) {
        const txid = await begin(coordinator, [inventory, payment]);
        txids.push(txid);
        await coordinator.commitTransaction(txid);
        await coordinator.whenSettled(txid);
      }
      const known = [];
      for (const txid of txids) {
        const { outcome, participants } = await coordinator.getTransactionResult(txid);
        expect(outcome).toBe('committed');
        known.push(participants.length);
      }
      expect(known).toEqual([0, 0, 2, 2]);
    }));
});
