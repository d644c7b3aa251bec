/** The participant `orders`: the order's row is there if and only if all of it has happened. */
import { Inject, Injectable } from '@nestjs/common';
import { drizzleBranch } from 'verdict/drizzle';
import { Participant } from 'verdict/nestjs';
import { type PrepareCall, vote } from 'verdict/participant';
import { openPostgresqlResource } from 'verdict/postgresql';
import { type Config, configToken } from '../shared/config.ts';
import { migratePostgresql } from '../shared/migrations.ts';
import { PostgresqlDatabase } from '../shared/postgresql-database.ts';
import { refusal } from '../shared/refusal.ts';
import { orders } from './contract.ts';
import { migrations, type Order, placed } from './tables.ts';

/** Where another request with the same key was first, it waits for that one's outcome. */
const write = drizzleBranch(
  {},
  async (tx, { txid, payload }: PrepareCall<Omit<Order, 'transaction'>>) => {
    const written = await tx
      .insert(placed)
      .values({ ...payload, transaction: txid })
      .onConflictDoNothing()
      .returning();
    return written.length === 1 ? vote.commit() : refusal('The order is there already.');
  },
);

@Injectable()
@Participant({ contract: orders })
export class OrdersParticipant {
  constructor(
    @Inject(configToken) private readonly config: Config,
    private readonly database: PostgresqlDatabase,
  ) {}

  ready() {
    return migratePostgresql(this.database.pool, migrations);
  }

  resource() {
    return openPostgresqlResource({
      name: orders.name,
      connection: { connectionString: this.config.databaseUrl },
      isolation: 'read committed',
      prepare: write,
    });
  }
}
