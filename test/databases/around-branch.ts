/**
 * Ways around a branch: statements that end its transaction, or commit by themselves. Whatever is
 * sent, by whichever library and however its error is treated, a rollback undoes all of it.
 */
import { expect, it } from 'vitest';
import type { SqlResource } from '../../src/postgresql.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import type { Around, Send } from './around-libraries.ts';

export type AroundResource = SqlResource<Around, unknown>;

export interface AroundBench {
  readonly names: readonly string[];
  readonly open: (
    library: string,
    more?: { readonly maxSessions?: number },
  ) => Promise<AroundResource>;
  /** Asked after every statement, so on a connection that stays. */
  readonly query: (text: string) => Promise<object[]>;
  /** For what is prepared and not ended. */
  readonly prepared: string;
  /** What the columns' `table_schema` is. */
  readonly tableSchema: string;
  /**
   * They never take effect: not sent, refused by the server, or the branch aborts for them. The
   * first twelve are tried within a transaction of the library's, too.
   */
  readonly refused: readonly string[];
  /** Part of the branch, and undone with it. */
  readonly undone: readonly string[];
}

/** What waits for a transaction that was begun and left open waits for a quarter of it. */
const branchMs = 1_000;
const raise = 'UPDATE account SET balance = balance + 1 WHERE id = 1';

/** What became of it. */
interface Sent {
  /** Why the statement failed. */
  readonly refused: string | null;
  /** Why the branch aborts. */
  readonly aborted: string | null;
}

export function aroundBranch(bench: AroundBench): void {
  const columns = `SELECT table_name AS t, column_name AS c, data_type AS d
    FROM information_schema.columns WHERE table_schema = ${bench.tableSchema}`;

  const textOf = (rows: readonly object[]): string =>
    rows
      .map((row) => Object.values(row).join(' '))
      .sort()
      .join('\n');

  /** All that a statement could have changed: a balance, what is prepared, the tables. */
  async function seen(): Promise<readonly string[]> {
    const balance = 'SELECT balance FROM account WHERE id = 1';
    const texts: string[] = [];
    for (const text of [balance, bench.prepared, columns])
      texts.push(textOf(await bench.query(text)));
    return texts;
  }

  /** On each way to send it, with its error caught, and rolled back in the end. */
  async function sendIn(
    resource: AroundResource,
    text: string,
    way: 'alone' | 'nested',
  ): Promise<Sent> {
    let refused: string | null = null;
    const body = async (send: Send): Promise<void> => {
      await send(raise);
      await send(text).catch((error: unknown) => {
        refused = String((error as Error).message);
      });
      await send(raise).catch(() => undefined);
    };
    const work: Around = async ({ send, nested }) => {
      await send(raise);
      if (way === 'alone') await body(send);
      else await nested(body).catch(() => undefined);
    };
    const call = prepareCall(work, { timeoutMs: branchMs });
    const aborted = await Promise.resolve(resource.prepare(call)).then(
      ({ vote, ...more }) => (vote === 'commit' ? null : JSON.stringify(more)),
      (error: unknown) => String((error as Error).message),
    );
    await resource.rollback(refOf(call));
    return { refused, aborted };
  }

  for (const library of bench.names)
    for (const way of ['alone', 'nested'] as const)
      it(`${library}, ${way === 'alone' ? "on the branch's handle" : 'in a transaction'}: what ends a transaction has no effect`, async () => {
        const resource = await bench.open(library);
        const before = await seen();
        expect(before.slice(0, 2)).toEqual(['100', '']);
        for (const text of way === 'alone' ? bench.refused : bench.refused.slice(0, 12)) {
          const sent = await sendIn(resource, text, way);
          expect([text, await seen()]).toEqual([text, before]);
          expect([text, sent.refused ?? sent.aborted]).toEqual([text, expect.any(String)]);
        }
      });

  for (const library of bench.names)
    it(`${library}: what belongs to the branch is undone with it`, async () => {
      const resource = await bench.open(library);
      const before = await seen();
      expect(before.slice(0, 2)).toEqual(['100', '']);
      for (const text of bench.undone) {
        const sent = await sendIn(resource, text, 'alone');
        expect([text, sent]).toEqual([text, { refused: null, aborted: null }]);
        expect([text, await seen()]).toEqual([text, before]);
      }
    });

  for (const library of bench.names)
    it(`${library}, with one session: branches and their transactions wait for no one but each other`, async () => {
      const resource = await bench.open(library, { maxSessions: 1 });
      const calls = [1, 2, 3].map(() =>
        prepareCall<Around>(async ({ send, nested }) => {
          await send('SELECT 1');
          await nested((inner) => inner('SELECT 1'));
          await Promise.all([nested((inner) => inner('SELECT 1')), send('SELECT 1')]);
        }),
      );
      const votes = await Promise.all(calls.map((call) => resource.prepare(call)));
      expect(votes.map(({ vote }) => vote)).toEqual(['commit', 'commit', 'commit']);
      for (const call of calls) await resource.rollback(refOf(call));
    });
}
