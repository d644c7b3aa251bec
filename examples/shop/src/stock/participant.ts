/** The participant `stock`: takes what is ordered from the shelf, if there is enough. */
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, gte, sql } from 'drizzle-orm';
import { drizzleBranch } from 'verdict/drizzle';
import { Participant } from 'verdict/nestjs';
import { vote } from 'verdict/participant';
import { openPostgresqlResource } from 'verdict/postgresql';
import { type Config, configToken } from '../shared/config.ts';
import { migratePostgresql } from '../shared/migrations.ts';
import { PostgresqlDatabase } from '../shared/postgresql-database.ts';
import { refusal } from '../shared/refusal.ts';
import { stock } from './contract.ts';
import { items, migrations, removals } from './tables.ts';

/** A branch's work, on Drizzle's transaction. */
const remove = drizzleBranch(
  {},
  async (
    tx,
    { payload }: { readonly payload: { order: string; sku: string; quantity: number } },
  ) => {
    const { order, sku, quantity } = payload;
    const [item] = await tx
      .update(items)
      .set({ left: sql`${items.left} - ${quantity}` })
      .where(and(eq(items.sku, sku), gte(items.left, quantity)))
      .returning();
    if (item === undefined) return refusal(`Too little of ${sku} is left.`);
    await tx.insert(removals).values({ order, sku, quantity });
    return vote.commit({ left: item.left });
  },
);

@Injectable()
@Participant({ contract: stock })
export class StockParticipant {
  constructor(
    @Inject(configToken) private readonly config: Config,
    private readonly database: PostgresqlDatabase,
  ) {}

  ready() {
    return migratePostgresql(this.database.pool, migrations);
  }

  resource() {
    return openPostgresqlResource({
      name: stock.name,
      connection: { connectionString: this.config.databaseUrl },
      // The statement that writes is the one that decides.
      isolation: 'read committed',
      prepare: remove,
    });
  }
}
