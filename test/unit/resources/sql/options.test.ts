import { expect, it } from 'vitest';
import { vote } from '../../../../src/participant.ts';
import { sqlSettings } from '../../../../src/resources/sql/sql.ts';

const given = { name: 'payment', prepare: () => vote.commit(), connection: {} };

it.each<[object, RegExp]>([
  [{ lockLimit: 5_000 }, /"lockLimit" in the options of the resource\..* lockLimitMs/],
  [{ maxSessions: '5' }, /maxSessions in the options of the resource must be a number/],
  [{ isolation: 'snapshot' }, /isolation must be one of 'read committed', .*, not "snapshot"/],
  [{ prepare: undefined }, /needs prepare/],
])('%j is refused before the database is reached', (options, said) => {
  expect(() => sqlSettings({ ...given, ...options } as never)).toThrow(said);
});

it('the rest has defaults', () => {
  expect(sqlSettings(given)).toMatchObject({ name: 'payment', isolation: 'serializable' });
});
