import { describe, expect, it } from 'vitest';
import { checkConnection } from '../../../../src/resources/sql/check-connection.ts';

const check = (connection: unknown) => () =>
  checkConnection(connection, { of: 'mariadb', field: 'uri', schemes: ['mysql', 'mariadb'] });

describe('what an application says of its database', () => {
  it.each([
    {},
    { host: 'db' },
    { uri: 'mysql://shop@db/shop' },
    { uri: 'MariaDB://db' },
    { uri: '/run/mysqld.sock' },
  ])('is left to the driver: %j', (connection) => {
    expect(check(connection)).not.toThrow();
  });

  it('names what was forgotten', () => {
    expect(check(undefined)).toThrow(
      "mariadb needs its connection, as { uri: 'mysql://...' }, not undefined.",
    );
    for (const uri of [undefined, null, 17]) {
      expect(check({ uri })).toThrow(/^uri of mariadb must be a string, .*not set\?/);
    }
  });

  it('names another database, and not its password', () => {
    const address = 'postgres://shop:secret@db/shop';
    expect(check({ uri: address })).toThrow(
      /^uri of mariadb begins with postgres:\/\/, and must begin with mysql:\/\/ or mariadb:\/\/\.$/,
    );
  });
});
