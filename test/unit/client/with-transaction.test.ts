import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  type Client,
  currentTransaction,
  maybeTransaction,
  withTransaction,
} from '../../../src/client.ts';
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { txidOf } from '../../support/samples/messages.ts';

/** A client on a node that begins, enlists, commits and rolls back whatever it is asked to. */
async function setting(more: { readonly commits?: readonly string[] } = {}) {
  const made = await connectedClient();
  const outcomes = [...(more.commits ?? [])];
  const asked: string[] = [];
  let serial = 0;
  const [connection] = made.node.connections;
  if (connection === undefined) throw new Error('It is not connected.');
  const { onSent } = connection;
  connection.onSent = (message: ToNode) => {
    if (!('id' in message)) return onSent?.(message);
    const { id } = message;
    const reply = (answer: object): void =>
      connection.deliver({ ...answer, id } as unknown as FromNode);
    switch (message.type) {
      case 'begin':
        serial += 1;
        asked.push(`begin ${serial}`);
        return reply({ type: 'begun', txid: txidOf(serial), timeoutMs: 2_000, share: 's' });
      case 'enlist':
        asked.push(`enlist ${message.participant} ${numberOf(message.txid)}`);
        return reply({ type: 'enlisted', txid: message.txid, branch: message.participant });
      case 'commit': {
        asked.push(`commit ${numberOf(message.txid)}`);
        const code = outcomes.shift();
        if (code === undefined) {
          return reply({
            type: 'outcome',
            txid: message.txid,
            outcome: 'committed',
            results: null,
          });
        }
        return reply(aborted(message.txid, code, code));
      }
      case 'rollback':
        asked.push(`rollback ${numberOf(message.txid)}`);
        return reply(aborted(message.txid, 'ROLLED_BACK', message.reason ?? ''));
      default:
        throw new Error(`Not expected: ${message.type}`);
    }
  };
  return { ...made, asked };
}

function aborted(txid: string, code: string, message: string): object {
  const retryable = code !== 'ROLLED_BACK';
  return {
    type: 'outcome',
    txid,
    outcome: 'aborted',
    results: null,
    reason: { code, message, retryable },
  };
}

function numberOf(txid: string): number {
  for (let serial = 1; ; serial += 1) if (txid === txidOf(serial)) return serial;
}

const enlist = (participant: string, client?: Client): Promise<string> =>
  currentTransaction(client).enlist({ participant });

describe('withTransaction', () => {
  it('has its transaction in force for what its function calls and awaits, and nowhere else', async () => {
    const { client, asked } = await setting();
    expect(maybeTransaction()).toBeNull();
    expect(() => currentTransaction()).toThrow(TypeError);
    expect(() => currentTransaction()).toThrow(/withTransaction\(client/);
    const running = withTransaction(client, async (tx) => {
      await sleep(1);
      expect(currentTransaction()).toBe(tx);
      await Promise.all([enlist('stock'), sleep(1).then(() => enlist('payment'))]);
      return 7;
    });
    expect(maybeTransaction()).toBeNull();
    expect(await running).toMatchObject({ outcome: 'committed', value: 7, attempts: 1 });
    expect(maybeTransaction()).toBeNull();
    expect(asked).toEqual(['begin 1', 'enlist stock 1', 'enlist payment 1', 'commit 1']);
  });

  it('keeps those that run at once apart', async () => {
    const { client } = await setting();
    const one = async (tx: { readonly txid: string }) => {
      await sleep(1);
      return [tx.txid, currentTransaction().txid];
    };
    const results = await Promise.all([withTransaction(client, one), withTransaction(client, one)]);
    const seen = results.map((result) => (result.outcome === 'aborted' ? [] : result.value));
    expect(seen).toEqual([
      [txidOf(1), txidOf(1)],
      [txidOf(2), txidOf(2)],
    ]);
  });

  it('joins, and joins at once in parallel branches; one transaction is committed once', async () => {
    const { client, asked } = await setting();
    const part = (name: string) =>
      withTransaction(client, async (_tx, { attempt }) => {
        await enlist(name);
        return attempt;
      });
    const result = await withTransaction(client, () => Promise.all([part('a'), part('b')]));
    expect(result).toMatchObject({
      outcome: 'committed',
      value: [
        { outcome: 'joined', txid: txidOf(1), value: 1 },
        { outcome: 'joined', txid: txidOf(1), value: 1 },
      ],
    });
    expect(asked).toEqual(['begin 1', 'enlist a 1', 'enlist b 1', 'commit 1']);
  });

  it('is aborted with a reason of its own where one that joined threw, although that was caught', async () => {
    const { client, asked } = await setting();
    let calls = 0;
    const result = await withTransaction(client, async () => {
      calls += 1;
      await withTransaction(client, () => Promise.reject(new RangeError('none left'))).catch(
        () => undefined,
      );
      await enlist('audit');
      return 'went on';
    });
    expect(result).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'ROLLED_BACK', message: expect.stringContaining('RangeError') },
      attempts: 1,
    });
    // What the error said stays in this process.
    expect(JSON.stringify(result)).not.toContain('none left');
    expect(calls).toBe(1);
    expect(asked).toEqual(['begin 1', 'enlist audit 1', 'rollback 1']);
  });

  it('cannot be committed from within after one that joined threw', async () => {
    const { client, asked } = await setting();
    await withTransaction(client, async (tx) => {
      await withTransaction(client, () => Promise.reject(new Error('no'))).catch(() => undefined);
      expect((await tx.commit()).outcome).toBe('aborted');
    });
    expect(asked).toEqual(['begin 1', 'rollback 1']);
  });

  it('throws what the function threw, whoever of them threw it first', async () => {
    const { client, asked } = await setting();
    const problem = new Error('no stock');
    const failing = withTransaction(client, () =>
      withTransaction(client, () => Promise.reject(problem)),
    );
    await expect(failing).rejects.toBe(problem);
    expect(asked).toEqual(['begin 1', 'rollback 1']);
  });

  it('is repeated by the outermost alone, each attempt with its own transaction', async () => {
    const { client, asked, clock } = await setting({ commits: ['CONFLICT'] });
    const attempts: number[] = [];
    const running = withTransaction(client, { retryDelayMs: 10 }, () =>
      withTransaction(client, { maxAttempts: 1 }, async (_tx, { attempt }) => {
        attempts.push(attempt);
        await enlist('stock');
      }),
    );
    while (asked.length < 3) await sleep(1);
    await sleep(5);
    await clock.advance(100);
    expect(await running).toMatchObject({ outcome: 'committed', attempts: 2, txid: txidOf(2) });
    expect(attempts).toEqual([1, 2]);
    expect(asked).toEqual([
      'begin 1',
      'enlist stock 1',
      'commit 1',
      'begin 2',
      'enlist stock 2',
      'commit 2',
    ]);
  });

  it('refuses to commit while one that joined, and was forgotten, still runs', async () => {
    const { client, asked } = await setting();
    let forgotten: Promise<unknown> | undefined;
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const running = withTransaction(client, async () => {
      forgotten = withTransaction(client, async () => {
        await gate;
        await enlist('late');
      });
    });
    await expect(running).rejects.toThrow(/await all of them/);
    goOn();
    await expect(forgotten).rejects.toMatchObject({ code: 'WRONG_STATE', txid: txidOf(1) });
    expect(asked).toEqual(['begin 1', 'rollback 1']);
  });
});

describe('code that its transaction left behind', () => {
  it('is told so, too, where its function was still running when the time of it all was over', async () => {
    const { client, clock } = await setting();
    const called = Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    const seen: unknown[] = [];
    const running = watch(
      withTransaction(client, { timeoutMs: 1_000 }, async () => {
        called.resolve();
        await late.promise;
        for (const look of [() => currentTransaction(), () => maybeTransaction(client)]) {
          try {
            seen.push(look());
          } catch (error) {
            seen.push(error);
          }
        }
        seen.push(await withTransaction(client, async () => 'joined').catch((error) => error));
      }),
    );
    // It loads a module first.
    await called.promise;
    await clock.advance(1_000);
    expect(running.error()).toMatchObject({ code: 'TIMEOUT', acted: 'nothing' });
    late.resolve();
    await sleep(0);
    expect(seen).toMatchObject(
      Array.from({ length: 3 }, () => ({ code: 'WRONG_STATE', txid: txidOf(1) })),
    );
    await client.close();
  });

  it('is told that it has ended, and neither finds none nor begins another by itself', async () => {
    const { client, asked } = await setting();
    let leftBehind: Promise<readonly unknown[]> | undefined;
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const problemOf = (call: () => unknown): Promise<unknown> =>
      Promise.resolve()
        .then(call)
        .then(
          (value) => value,
          (error: unknown) => error,
        );
    await withTransaction(client, async () => {
      leftBehind = gate.then(() =>
        Promise.all([
          problemOf(() => currentTransaction()),
          problemOf(() => maybeTransaction()),
          problemOf(() => maybeTransaction(client)),
          ...(['required', 'mandatory', 'supports'] as const).map((propagation) =>
            problemOf(() => withTransaction(client, { propagation }, async () => 'ran')),
          ),
          problemOf(() =>
            withTransaction(client, { propagation: 'not-supported' }, async () =>
              maybeTransaction(),
            ),
          ),
          problemOf(() => withTransaction(client, { propagation: 'never' }, async () => 'ran')),
        ]),
      );
    });
    goOn();
    const found = (await leftBehind) ?? [];
    const ended = { code: 'WRONG_STATE', txid: txidOf(1), message: /has ended/ };
    expect(found.slice(0, 6)).toEqual(
      Array.from({ length: 6 }, () =>
        expect.objectContaining({ ...ended, message: expect.stringMatching(ended.message) }),
      ),
    );
    expect(found.slice(6)).toEqual([
      { outcome: 'none', value: null },
      { outcome: 'none', value: 'ran' },
    ]);
    expect(asked).toEqual(['begin 1', 'commit 1']);
  });

  it('may say that it wants a new one, and those after it add nothing to what is kept', async () => {
    const { client, asked } = await setting();
    let job: Promise<unknown> | undefined;
    await withTransaction(client, async () => {
      job = sleep(5).then(() =>
        withTransaction(client, { propagation: 'requires-new' }, () => enlist('job')),
      );
    });
    expect(await job).toMatchObject({ outcome: 'committed', value: 'job' });
    expect(asked).toEqual(['begin 1', 'commit 1', 'begin 2', 'enlist job 2', 'commit 2']);
  });

  it('of an attempt that failed does not reach the next', async () => {
    const { client, clock, asked } = await setting({ commits: ['CONFLICT'] });
    const late: Promise<unknown>[] = [];
    const running = withTransaction(client, async (_tx, { attempt }) => {
      if (attempt === 1) {
        late.push(sleep(20).then(() => enlist('late')));
        late[0]?.catch(() => undefined);
      } else await late[0]?.catch(() => undefined);
    });
    while (asked.length < 2) await sleep(1);
    await sleep(5);
    await clock.advance(100);
    expect((await running).outcome).toBe('committed');
    await expect(late[0]).rejects.toMatchObject({ code: 'WRONG_STATE', txid: txidOf(1) });
    expect(asked).toEqual(['begin 1', 'commit 1', 'begin 2', 'commit 2']);
  });
});

describe('propagation', () => {
  it("begins beside the one in force with 'requires-new', whose end leaves the outer alone", async () => {
    const { client, asked } = await setting();
    const result = await withTransaction(client, async (outer) => {
      const failing = withTransaction(client, { propagation: 'requires-new' }, async (inner) => {
        expect(currentTransaction()).toBe(inner);
        throw new Error('inner');
      });
      await expect(failing).rejects.toThrow('inner');
      expect(currentTransaction()).toBe(outer);
    });
    expect(result.outcome).toBe('committed');
    expect(asked).toEqual(['begin 1', 'begin 2', 'rollback 2', 'commit 1']);
  });

  it("joins with 'mandatory' and 'supports', and hides it with 'not-supported'", async () => {
    const { client, asked } = await setting();
    await withTransaction(client, async (outer) => {
      for (const propagation of ['mandatory', 'supports'] as const) {
        const joined = await withTransaction(client, { propagation }, async (tx) => tx === outer);
        expect(joined).toMatchObject({ outcome: 'joined', value: true });
      }
      const without = await withTransaction(
        client,
        { propagation: 'not-supported' },
        async (tx) => {
          expect(() => currentTransaction()).toThrow(TypeError);
          // It is outermost again.
          const own = await withTransaction(client, () => enlist('apart'));
          return [tx, maybeTransaction(), own.outcome];
        },
      );
      expect(without).toEqual({ outcome: 'none', value: [null, null, 'committed'] });
    });
    expect(asked).toEqual(['begin 1', 'begin 2', 'enlist apart 2', 'commit 2', 'commit 1']);
  });

  it("refuses 'mandatory' where there is none, and 'never' where there is one", async () => {
    const { client, asked } = await setting();
    const mandatory = withTransaction(client, { propagation: 'mandatory' }, async () => 1);
    await expect(mandatory).rejects.toThrow(/'mandatory', and there is no transaction in force/);
    const alone = await withTransaction(client, { propagation: 'never' }, async (tx) => tx);
    expect(alone).toEqual({ outcome: 'none', value: null });
    await withTransaction(client, async () => {
      const never = withTransaction(client, { propagation: 'never' }, async () => 1);
      await expect(never).rejects.toThrow(/'never', and the transaction .* is in force/);
    });
    expect(asked).toEqual(['begin 1', 'commit 1']);
  });

  it('says what it does not know, and that a joined one cannot change the lock group', async () => {
    const { client } = await setting();
    const nested = withTransaction(client, { propagation: 'nested' as 'required' }, async () => 1);
    await expect(nested).rejects.toThrow(/must be one of required, requires-new/);
    await expect(withTransaction({} as Client, async () => 1)).rejects.toThrow(/wants a client/);
    await expect(withTransaction(client, 1 as never)).rejects.toThrow(/wants a function/);
    const transaction = { lockGroup: 'shared/stock' };
    await withTransaction(client, { transaction }, async () => {
      const same = await withTransaction(client, { transaction }, async () => 1);
      expect(same.outcome).toBe('joined');
      const other = { transaction: { lockGroup: 'shared/money' } };
      const joining = withTransaction(client, other, async () => 1);
      await expect(joining).rejects.toThrow(/"shared\/stock", not in "shared\/money"/);
    });
  });
});

describe('two clients in one process', () => {
  it('have a transaction in force each: none joins the other, and each is found by its client', async () => {
    const [a, b] = [await setting(), await setting()];
    await withTransaction(a.client, async (ofA) => {
      expect(maybeTransaction(b.client)).toBeNull();
      const inner = await withTransaction(b.client, async (ofB) => {
        expect([currentTransaction(), currentTransaction(a.client)]).toEqual([ofB, ofA]);
        await enlist('here');
        await enlist('there', a.client);
        // Of a client that is not the innermost, all the same joined: there it is the innermost.
        const joined = await withTransaction(a.client, async () => currentTransaction());
        expect(joined).toMatchObject({ value: ofA });
        expect(currentTransaction()).toBe(ofB);
        return joined.outcome;
      });
      expect(inner).toMatchObject({ outcome: 'committed', value: 'joined' });
      expect(currentTransaction()).toBe(ofA);
    });
    expect(a.asked).toEqual(['begin 1', 'enlist there 1', 'commit 1']);
    expect(b.asked).toEqual(['begin 1', 'enlist here 1', 'commit 1']);
  });
});

describe('what a client starts for itself', () => {
  it('is outside of the transaction that it was started in: its connections and their callbacks', async () => {
    const { client } = await setting();
    const seen: unknown[] = [];
    await withTransaction(client, async (tx) => {
      const other = await connectedClient(undefined, {
        // Called by `connect`, from within the transaction, and for each connection after that.
        jwt: () => {
          seen.push(maybeTransaction());
          return 'a.b.c';
        },
        urls: ['wss://a:7070'],
        tls: {},
      });
      other.dialer.onAttempt = (attempt) => {
        seen.push(maybeTransaction());
        attempt.refuse();
      };
      other.node.connections[0]?.drop();
      await other.clock.advance(5_000);
      expect(currentTransaction()).toBe(tx);
      await other.client.close();
    });
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(new Set(seen)).toEqual(new Set([null]));
  });
});
