/**
 * What the contract does not ask of a resource over a database, and both databases owe: lost
 * replies, other sessions, votes.
 */
import { describe, expect, it } from 'vitest';
import { vote } from '../../src/participant.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { Isolation, PrepareSql, Sql, SqlResource } from '../../src/postgresql.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { prepareCall, refOf, Stop } from '../support/resources/sql-calls.ts';

/**
 * A branch's payload is what it does; `readonly` is a read-only vote, `{instead}` what is returned
 * for one, all else a commit.
 */
export type Work = (sql: Sql) => Promise<unknown>;
export type WorkResource = SqlResource<Work, unknown>;

export interface OpenWork {
  readonly name?: string;
  readonly shared?: boolean;
  /** Of the journal that it is served with: it begins as the SDK would have it begin. */
  readonly instance?: string;
  readonly lockWaitMs?: number;
  readonly lockLimitMs?: number;
  readonly isolation?: Isolation;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** A port that leads to the server's. */
  readonly port?: number;
}

/** Accounts 1 and 2 hold 100 each before every test. */
export interface SqlBench {
  readonly open: (more?: OpenWork) => Promise<WorkResource>;
  /** Another name than the usual one that no other test on this server has. */
  readonly otherName: () => string;
  readonly port: () => number;
  /** Of account 1. */
  readonly balance: () => Promise<number>;
  /** What is prepared and not ended. */
  readonly prepared: () => Promise<readonly unknown[]>;
  /** Resolves when the session that prepared it has ended, where that lives on. */
  readonly sessionEnded: (txid: string) => Promise<void>;
  readonly words: { readonly prepare: string; readonly commit: string; readonly rollback: string };
  /** How the loss of a connection is told. */
  readonly lost: RegExp;
  /** And that somebody ended the session. */
  readonly ended: RegExp;
  readonly raiseById: string;
  readonly readLocking: string;
  readonly deadlockIsolation?: Isolation;
}

export const raise: Work = (sql) =>
  sql.query('UPDATE account SET balance = balance + 1 WHERE id = 1');

export const runWork: PrepareSql<Work, unknown> = async (sql, { payload }) => {
  const answer = await payload(sql);
  if (typeof answer === 'object' && answer !== null && 'instead' in answer)
    return answer.instead as never;
  return answer === 'readonly' ? vote.readonly() : vote.commit();
};

export function portOf(proxy: TcpProxy): number {
  return Number(proxy.url.split(':').at(-1));
}

export function sqlResource(bench: SqlBench): void {
  const { open, balance, prepared, words } = bench;

  /** Loses the replies to what holds these words. */
  async function losing(statement: string): Promise<{ proxy: TcpProxy; lose: () => void }> {
    const proxy = await TcpProxy.started(bench.port());
    const lose = (): void => {
      proxy.rule = (direction, bytes) =>
        direction === 'request' && bytes.includes(statement) ? 'lose-replies' : 'pass';
    };
    return { proxy, lose };
  }

  describe('a lost reply', () => {
    it.each([
      [words.commit, 101],
      [words.rollback, 100],
    ] as const)('to %s: asked again, it is known to be done', async (statement, expected) => {
      const { proxy, lose } = await losing(statement);
      const resource = await open({ port: portOf(proxy) });
      const call = prepareCall(raise);
      expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      await bench.sessionEnded(call.txid);
      const end = async (): Promise<void> =>
        statement === words.commit ? resource.commit(refOf(call)) : resource.rollback(refOf(call));
      lose();
      const first = end();
      await expect.poll(prepared).toEqual([]);
      proxy.cut();
      await expect(first).rejects.toThrow(bench.lost);
      await end();
      await end();
      expect(await balance()).toBe(expected);
      await proxy.close();
    });

    it(`to ${words.prepare}: prepare throws, and the rollback finds what was prepared`, async () => {
      const { proxy, lose } = await losing(words.prepare);
      const resource = await open({ port: portOf(proxy) });
      const call = prepareCall(raise);
      lose();
      const first = resource.prepare(call);
      await expect.poll(prepared).toHaveLength(1);
      proxy.cut();
      await expect(first).rejects.toThrow(bench.lost);
      await resource.rollback(refOf(call));
      expect(await prepared()).toEqual([]);
      expect(await resource.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
      await proxy.close();
    });
  });

  describe('two processes of one shared resource', () => {
    it('a rollback ends the session that is still preparing: the branch cannot come alive after it', async () => {
      const [first, second] = [await open({ shared: true }), await open({ shared: true })];
      const stop = new Stop();
      const call = prepareCall<Work>((sql) => raise(sql).then(() => stop.here()));
      const preparing = first.prepare(call);
      await stop.reached;
      await second.rollback(refOf(call));
      stop.goOn();
      await expect(preparing).rejects.toThrow(bench.ended);
      expect(await prepared()).toEqual([]);
      expect(await second.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
    });

    it('may commit at once: both are told that it is done, and it is done once', async () => {
      const [first, second] = [await open({ shared: true }), await open({ shared: true })];
      for (let round = 1; round <= 20; round += 1) {
        const call = prepareCall(raise);
        expect(await first.prepare(call)).toEqual({ vote: 'commit' });
        await Promise.all([first, second, first].map((each) => each.commit(refOf(call))));
        expect(await balance()).toBe(100 + round);
      }
    });

    it('do not end each other when one of them opens', async () => {
      const first = await open({ shared: true });
      const stop = new Stop();
      const preparing = first.prepare(
        prepareCall<Work>((sql) => raise(sql).then(() => stop.here())),
      );
      await stop.reached;
      await open({ shared: true });
      stop.goOn();
      expect(await preparing).toEqual({ vote: 'commit' });
    });
  });

  describe('two instances, each with a journal of its own', () => {
    const [a, b] = ['instance-a', 'instance-b'];

    async function both(): Promise<[WorkResource, WorkResource]> {
      const first = await open({ instance: a });
      return [first, await open({ instance: b })];
    }

    async function preparedBy(
      resource: WorkResource,
      instance: string,
    ): Promise<ReturnType<typeof refOf>> {
      const call = prepareCall(raise, { instance });
      expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      return refOf(call);
    }

    it('know the database as the same one, and whose each branch is', async () => {
      const [first, second] = await both();
      const { payload: _none, ...ref } = await preparedBy(first, a);
      expect(first.identity).toBe(second.identity);
      expect(first.identity).toMatch(/^(pg|my)-/);
      expect([...((await first.inDoubt?.({ instance: a })) ?? [])]).toEqual([ref]);
      expect([...((await second.inDoubt?.({ instance: b })) ?? [])]).toEqual([
        { ...ref, mine: false },
      ]);
      await first.rollback({ ...ref, instance: a, payload: undefined });
    });

    it('end each other’s branches when they are told to, and what the other did is done for both', async () => {
      const [first, second] = await both();
      const committed = await preparedBy(first, a);
      await second.commit({ ...committed, instance: b, takenOver: true });
      expect(await balance()).toBe(101);
      await second.commit({ ...committed, instance: b, takenOver: true });
      await first.commit({ ...committed, instance: a });
      expect(await balance()).toBe(101);
      const rolledBack = await preparedBy(first, a);
      await second.rollback({ ...rolledBack, instance: b, takenOver: true });
      await first.rollback({ ...rolledBack, instance: a });
      expect(await prepared()).toEqual([]);
      expect(await balance()).toBe(101);
    });

    it('may both be told at once', async () => {
      const [first, second] = await both();
      for (let round = 1; round <= 10; round += 1) {
        const branch = await preparedBy(first, a);
        await Promise.all([
          first.commit({ ...branch, instance: a }),
          second.commit({ ...branch, instance: b, takenOver: true }),
        ]);
        expect(await balance()).toBe(100 + round);
      }
    });

    it('the one may commit between any two statements of the other', async () => {
      const proxy = await TcpProxy.started(bench.port());
      const first = await open({ instance: a });
      const second = await open({ instance: b, port: portOf(proxy) });
      let amid = true;
      for (let at = 1; amid; at += 1) {
        const branch = await preparedBy(first, a);
        const held = Promise.withResolvers<boolean>();
        let left = at;
        proxy.rule = (direction) => {
          left -= Number(direction === 'request');
          if (left > 0) return 'pass';
          held.resolve(true);
          return 'hold';
        };
        const committing = second.commit({ ...branch, instance: b, takenOver: true });
        const ended = Promise.resolve(committing).then(
          () => null,
          (error: unknown) => error,
        );
        amid = await Promise.race([held.promise, ended.then(() => false)]);
        if (amid) await first.commit({ ...branch, instance: a });
        proxy.rule = null;
        proxy.release();
        expect(await ended, `statement ${at}`).toBeNull();
        expect(await balance()).toBe(100 + at);
      }
      await proxy.close();
    });

    it('a commit of what neither holds nor knows is nothing, and says so', async () => {
      const [, second] = await both();
      const call = { ...refOf(prepareCall(raise)), instance: b, takenOver: true };
      await expect(second.commit(call)).rejects.toMatchObject({ found: 'nothing' });
    });

    it('a rollback tells what a sibling was told to commit from what was committed by hand', async () => {
      const [first, second] = await both();
      const taken = await preparedBy(first, a);
      await second.commit({ ...taken, instance: b, takenOver: true });
      await expect(first.rollback({ ...taken, instance: a })).rejects.toMatchObject({
        found: 'committed-by-sibling',
      });
      const own = await preparedBy(first, a);
      await first.commit({ ...own, instance: a });
      await expect(first.rollback({ ...own, instance: a })).rejects.toMatchObject({
        found: 'committed',
      });
      await expect(second.rollback({ ...own, instance: b, takenOver: true })).rejects.toMatchObject(
        { found: 'committed' },
      );
      // What it finds done, and acknowledges, has its note, too.
      await second.commit({ ...own, instance: b, takenOver: true });
      await expect(first.rollback({ ...own, instance: a })).rejects.toMatchObject({
        found: 'committed-by-sibling',
      });
    });

    it('never prepare the same branch twice', async () => {
      const [first, second] = await both();
      const call = prepareCall(raise, { instance: a });
      expect(await first.prepare(call)).toEqual({ vote: 'commit' });
      const again = Promise.resolve(second.prepare({ ...call, instance: b }));
      expect(
        await again.then(
          ({ vote: said }) => said,
          () => 'threw',
        ),
      ).toMatch(/abort|threw/);
      expect(await prepared()).toHaveLength(1);
      // A prepare that failed is rolled back by whose it was, and that ends nothing of the one that
      // voted.
      const failed = { ...refOf(call), instance: b };
      await second.rollback(failed);
      expect(await prepared()).toHaveLength(1);
      await first.commit({ ...refOf(call), instance: a });
      await second.rollback(failed);
      expect(await balance()).toBe(101);
    });

    it('do not end each other’s sessions when one of them begins; one that begins again ends its own', async () => {
      const first = await open({ instance: a });
      const stop = new Stop();
      const held = { instance: a };
      const preparing = first.prepare(
        prepareCall<Work>((sql) => raise(sql).then(() => stop.here()), held),
      );
      await stop.reached;
      await open({ instance: b });
      stop.goOn();
      expect(await preparing).toEqual({ vote: 'commit' });
      const again = new Stop();
      const ended = first.prepare(
        prepareCall<Work>((sql) => sql.query(bench.raiseById, [2]).then(() => again.here()), held),
      );
      await again.reached;
      await open({ instance: a });
      again.goOn();
      await expect(ended).rejects.toThrow();
      expect(await prepared()).toHaveLength(1);
    });
  });

  it('opening ends what the process before was at: inDoubt is all there is', async () => {
    const before = await open();
    const stop = new Stop();
    const preparing = before.prepare(
      prepareCall<Work>((sql) => raise(sql).then(() => stop.here())),
    );
    await stop.reached;
    const other = await open({ name: bench.otherName() });
    const after = await open();
    stop.goOn();
    await expect(preparing).rejects.toThrow();
    expect([...((await after.inDoubt?.()) ?? [])]).toEqual([]);
    expect(await prepared()).toEqual([]);
    // Those of another participant are its own affair.
    const theirs = prepareCall(raise);
    expect(await other.prepare(theirs)).toEqual({ vote: 'commit' });
    expect([...((await after.inDoubt?.()) ?? [])]).toEqual([]);
    expect([...((await other.inDoubt?.()) ?? [])]).toEqual([
      { txid: theirs.txid, branch: theirs.branch },
    ]);
  });

  describe('a database that takes no work for a while: a retryable vote, at once', () => {
    const unavailable = {
      vote: 'abort',
      reason: { code: 'RESOURCE_UNAVAILABLE', retryable: true },
    };

    it('cannot be reached', async () => {
      const proxy = await TcpProxy.started(bench.port());
      const resource = await open({ port: portOf(proxy) });
      proxy.cut();
      await proxy.close();
      expect(await resource.prepare(prepareCall(raise))).toMatchObject(unavailable);
    });

    it('breaks the connection amid the work, whatever a library makes of that', async () => {
      const proxy = await TcpProxy.started(bench.port());
      const resource = await open({ port: portOf(proxy) });
      const call = prepareCall<Work>(async (sql) => {
        await raise(sql);
        proxy.cut();
        await raise(sql).catch((cause: unknown) => {
          throw new Error('Failed query', { cause });
        });
      });
      expect(await resource.prepare(call)).toMatchObject(unavailable);
      await proxy.close();
    });

    it('breaks it as the branch is prepared: the failure says the same, for it may be', async () => {
      const { proxy, lose } = await losing(words.prepare);
      const resource = await open({ port: portOf(proxy) });
      const call = prepareCall(raise);
      lose();
      const preparing = resource.prepare(call);
      await expect.poll(prepared).toHaveLength(1);
      proxy.cut();
      await expect(preparing).rejects.toMatchObject({ reason: unavailable.reason });
      await proxy.close();
      const other = await open({ shared: true });
      await other.rollback(refOf(call));
      expect(await prepared()).toEqual([]);
    });

    it('has gone silent: no vote to abort waits for its word', async () => {
      const proxy = await TcpProxy.started(bench.port());
      const resource = await open({ port: portOf(proxy) });
      const silence = async (sql: Sql): Promise<void> => {
        await raise(sql);
        proxy.rule = () => 'lose-replies';
      };
      const failing = prepareCall<Work>((sql) =>
        silence(sql).then(() => Promise.reject(new Error('out of lamps'))),
      );
      await expect(resource.prepare(failing)).rejects.toThrow('out of lamps');
      proxy.cut();
      await proxy.close();
    });

    it('drops idle connections in silence: the next commit does not wait for them', async () => {
      const proxy = await TcpProxy.started(bench.port());
      const resource = await open({ port: portOf(proxy) });
      const calls = [1, 2].map((id) =>
        prepareCall<Work>((sql) => sql.query(`UPDATE account SET balance = 7 WHERE id = ${id}`)),
      );
      for (const call of calls) expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      const known = new Set<number>();
      proxy.seen = (_direction, _bytes, connection) => known.add(connection);
      await Promise.all([1, 2, 3].map(() => resource.inDoubt?.()));
      const rule: TcpProxy['rule'] = (direction, _bytes, connection) => {
        if (direction !== 'request' || !known.has(connection)) return 'pass';
        setImmediate(() => {
          proxy.rule = rule;
        });
        return 'lose-replies';
      };
      proxy.seen = null;
      proxy.rule = rule;
      // Longer ago than a connection is trusted.
      await expect.poll(() => performance.now()).toBeGreaterThan(performance.now() + 50);
      const limit = performance.now() + 25_000;
      for (const call of calls) await resource.commit(refOf(call));
      // Four connections that answer nothing, 30 s each, is what it was.
      expect(performance.now()).toBeLessThan(limit);
      expect(await balance()).toBe(7);
      proxy.cut();
      await proxy.close();
    });

    it("is not what a service's own error is taken for", async () => {
      const resource = await open();
      const call = prepareCall<Work>(() =>
        Promise.reject(Object.assign(new Error('elsewhere'), { code: 'ECONNREFUSED' })),
      );
      await expect(resource.prepare(call)).rejects.toThrow('elsewhere');
    });
  });

  describe('a branch that meets a row of one that is decided', () => {
    it('waits for it, and does its work on what that has left', async () => {
      const resource = await open();
      let seen: unknown;
      for (let round = 1; round <= 5; round += 1) {
        const first = prepareCall(raise);
        expect(await resource.prepare(first)).toEqual({ vote: 'commit' });
        let runs = 0;
        const second = prepareCall<Work>(async (sql) => {
          runs += 1;
          if (runs === 1) queueMicrotask(() => void resource.commit(refOf(first)));
          await raise(sql);
          seen = (await sql.query('SELECT balance FROM account WHERE id = 1')).rows;
        });
        expect(await resource.prepare(second)).toEqual({ vote: 'commit' });
        expect(seen).toEqual([{ balance: 100 + 2 * round }]);
        await resource.commit(refOf(second));
      }
      expect(await balance()).toBe(110);
    });

    it('is run again after a conflict for as long as it would wait for a lock, and no longer', async () => {
      // Far longer than a run takes, also on a machine that is busy: else none is owed.
      const resource = await open({ isolation: 'serializable', lockWaitMs: 1_500 });
      const other = await open({ shared: true, isolation: 'read committed' });
      let runs = 0;
      const call = prepareCall<Work>(async (sql) => {
        runs += 1;
        await sql.query('SELECT balance FROM account WHERE id = 2');
        const change = prepareCall<Work>((its) =>
          its.query('UPDATE account SET balance = 7 WHERE id = 2'),
        );
        const changed = await other.prepare(change);
        if (changed.vote === 'commit') await other.commit(refOf(change));
        else await other.rollback(refOf(change));
        await sql.query('UPDATE account SET balance = 8 WHERE id = 2');
      });
      const voted = await resource.prepare(call);
      if (voted.vote === 'commit') expect(runs).toBe(1);
      else expect(voted).toMatchObject({ reason: { code: 'CONFLICT', retryable: true } });
      if (voted.vote === 'abort') expect(runs).toBeGreaterThan(1);
    });
  });

  describe('a query that prepare does not wait for: the branch aborts, and the process goes on', () => {
    // A rejection that no one handles fails the run.
    it.each([
      ['is under way at the vote', [], /returned before "SELECT 1" was done: await/],
      [
        'has failed by then',
        ['SELECT 2'],
        /"SELECT 1 FROM nowhere" was not awaited, and failed: .*nowhere/,
      ],
    ] as const)('%s', async (_what, then, text) => {
      const resource = await open();
      let kept: Sql | undefined;
      const call = prepareCall<Work>(async (sql) => {
        kept = sql;
        await raise(sql);
        void sql.query(then.length === 0 ? 'SELECT 1' : 'SELECT 1 FROM nowhere');
        // PostgreSQL refuses what follows a failure.
        for (const each of then) await sql.query(each).catch(() => undefined);
        void sql.query('SELECT 3');
      });
      await expect(resource.prepare(call)).rejects.toThrow(text);
      void kept?.query('SELECT 4');
      expect(await prepared()).toEqual([]);
      expect(await balance()).toBe(100);
    });

    it('a statement that is waited for later may be handled then', async () => {
      const resource = await open();
      const call = prepareCall<Work>(async (sql) => {
        await sql.query('SAVEPOINT one');
        const failing = sql.query('SELECT 1 FROM nowhere');
        const back = sql.query('ROLLBACK TO SAVEPOINT one');
        await raise(sql);
        await expect(Promise.all([back, failing])).rejects.toThrow('nowhere');
      });
      expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      await resource.commit(refOf(call));
      expect(await balance()).toBe(101);
    });
  });

  describe('votes', () => {
    it('LOCK_TIMEOUT for a row that a prepared branch holds', async () => {
      const resource = await open({ lockWaitMs: 100 });
      const first = prepareCall(raise);
      await resource.prepare(first);
      expect(await resource.prepare(prepareCall(raise))).toMatchObject({
        vote: 'abort',
        reason: { code: 'LOCK_TIMEOUT', retryable: true },
      });
      await resource.commit(refOf(first));
      expect(await resource.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
    });

    it('of two branches that wait for each other one is run again, and goes through behind the other', async () => {
      const isolation = bench.deadlockIsolation;
      const resource = await open({
        lockWaitMs: 20_000,
        ...(isolation === undefined ? {} : { isolation }),
      });
      const stops = [new Stop(), new Stop()];
      const crossing = (index: 0 | 1) =>
        prepareCall<Work>(async (sql) => {
          await sql.query(bench.raiseById, [index + 1]);
          await stops[index]?.here();
          await sql.query(bench.raiseById, [2 - index]);
        });
      const calls = [crossing(0), crossing(1)];
      const both = calls.map((call) => resource.prepare(call));
      for (const stop of stops) await stop.reached;
      for (const stop of stops) stop.goOn();
      const ends = calls.map(async (call, index) => {
        expect(await both[index]).toEqual({ vote: 'commit' });
        await resource.commit(refOf(call));
      });
      await Promise.all(ends);
      expect(await balance()).toBe(102);
    });

    it.each([[undefined], [null], [false], [{}], [{ vote: 'Commit' }]])(
      'that are none, as %j, leave nothing, and say what to return',
      async (instead) => {
        const resource = await open();
        const call = prepareCall<Work>((sql) => raise(sql).then(() => ({ instead })));
        await expect(async () => resource.prepare(call)).rejects.toThrow(
          'prepare must return vote.commit(), vote.readonly() or vote.abort(message)',
        );
        expect(await prepared()).toEqual([]);
        await resource.rollback(refOf(call));
        expect(await balance()).toBe(100);
      },
    );

    it('readonly holds nothing and leaves nothing, even where it wrote', async () => {
      const resource = await open();
      const reads = prepareCall<Work>((sql) => sql.query(bench.readLocking).then(() => 'readonly'));
      expect(await resource.prepare(reads)).toEqual({ vote: 'readonly' });
      const writes = prepareCall<Work>((sql) => raise(sql).then(() => 'readonly'));
      expect(await resource.prepare(writes)).toEqual({ vote: 'readonly' });
      expect(await prepared()).toEqual([]);
      expect(await balance()).toBe(100);
      expect(await resource.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
    });
  });
}
