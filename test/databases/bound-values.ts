/** Values that are easily lost on their way, bound by each library: what the database gets. */
import { expect, it } from 'vitest';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import type { AroundResource } from './around-branch.ts';
import type { Around, AroundHandle } from './around-libraries.ts';

/** As text, made by the database. */
export interface Stored {
  readonly id: string;
  readonly price: string;
  /** In UTC. */
  readonly at: string;
  /** In hexadecimal digits. */
  readonly bytes: string;
  readonly word: string;
}

export interface ValuesBench {
  readonly kind: 'postgresql' | 'mariadb';
  readonly names: readonly string[];
  readonly open: (library: string) => Promise<AroundResource>;
  /** Of the table `words`, which no library reads. */
  readonly stored: () => Promise<readonly Stored[]>;
}

/** Neither is a number of JavaScript's. */
const big = 9_007_199_254_740_993n;
const price = '1234567890123.4567';
const at = new Date('2026-03-29T01:30:00.789Z');
const bytes = Buffer.from([0, 1, 39, 92, 128, 255]);
const word = 'Zoë 😀 \\ \' " ` ; -- /* \n % _ $1 ? :a';

export function boundValues({ kind, names, open, stored }: ValuesBench): void {
  async function branch(library: string, work: (on: AroundHandle) => Promise<unknown>) {
    const resource = await open(library);
    const call = prepareCall<Around>((on) => work(on));
    const why = await Promise.resolve(resource.prepare(call)).then(
      ({ vote, ...more }) => (vote === 'commit' ? null : JSON.stringify(more)),
      (error: unknown) => String((error as Error).message),
    );
    if (why === null) await resource.commit(refOf(call));
    else await resource.rollback(refOf(call));
    return why;
  }

  const insert = ({ run }: AroundHandle, text: string, id: bigint = big) =>
    run`INSERT INTO words (id, price, at, bytes, word) VALUES (${id}, ${price}, ${at}, ${bytes}, ${text})`;

  const expected: Stored = {
    ...{ id: String(big), price, at: '2026-03-29 01:30:00.789' },
    ...{ bytes: bytes.toString('hex'), word },
  };

  it.each(names)('%s: big numbers, decimals, dates, bytes, text of all kinds', async (library) => {
    expect(await branch(library, (on) => insert(on, word))).toBeNull();
    expect(await stored()).toEqual([expected]);
  });

  it.each(names)('%s: a NUL in a text: kept, or the branch aborts', async (library) => {
    const why = await branch(library, (on) => insert(on, 'a\0b'));
    if (kind === 'postgresql') {
      expect(why).toMatch(/invalid byte sequence|0x00|^Failed query/);
      expect(await stored()).toEqual([]);
    } else {
      expect(why).toBeNull();
      expect(await stored()).toEqual([{ ...expected, word: 'a\0b' }]);
    }
    // The session that it broke is no one else's.
    expect(await branch(library, (on) => insert(on, word, 1n))).toBeNull();
  });

  it.each(names)('%s: lists with thousands of values, and with too many', async (library) => {
    const counted = (count: number) => async (on: AroundHandle) => {
      await insert(on, word);
      const ids = Array.from({ length: count }, (_each, index) => big - BigInt(index));
      const pieces = ['SELECT id FROM words WHERE id IN (', ...ids.slice(1).map(() => ', '), ')'];
      const rows = await on.run(Object.assign(pieces, { raw: pieces }) as never, ...ids);
      expect(
        JSON.stringify(rows, (_key, one) => (typeof one === 'bigint' ? `${one}` : one)),
      ).toContain('900719925474099');
    };
    expect(await branch(library, counted(20_000))).toBeNull();
    expect(await stored()).toHaveLength(1);
    // The protocols count values in 16 bits. A library that writes them into the text may do it.
    const why = await branch(library, async (on) => {
      await on.run`DELETE FROM words`;
      await counted(70_000)(on);
    });
    // Always the service's own fault: the same again would fail again.
    expect(why ?? '').not.toMatch(/"retryable":true/);
    expect(await stored()).toHaveLength(1);
  });
}
