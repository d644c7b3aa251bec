/** examples/orms by its one command: the same order with each ORM, on real servers. */
import { describe, expect, it } from 'vitest';

import { skipWithout } from '../support/nodes/docker.ts';
import { example } from '../support/process/example.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';

const missing = await mariadbMissing();

describe('the example with the ORMs', () => {
  skipWithout(missing);

  it('orders what can be paid for, and nothing else, with each of them', async () => {
    const { status, told } = await example(['orms']);
    // Between what the services log.
    const said = told.replaceAll(/^verdict: .*\n/gm, '');
    for (const orm of ['kysely', 'drizzle', 'knex', 'prisma', 'typeorm']) {
      expect(said).toContain(
        `With ${orm}:\nanna: ordered\nbert: Too little money.\nlamp 8, anna 10200, bert 50\n`,
      );
    }
    expect(told).toContain('The books are in order.');
    expect(status).toBe(0);
  });

  it('says which there are', async () => {
    const { status, told } = await example(['orms', 'sequelize']);
    expect(told).toContain(
      'There is no "sequelize" in this example. There are: kysely, drizzle, knex, prisma, typeorm.',
    );
    expect(status).toBe(2);
  });
});
