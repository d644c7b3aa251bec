/** The participant `payment`: charges an account, if it has the money. */
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, gte, sql } from 'drizzle-orm';
import { drizzleMysqlBranch } from 'verdict/drizzle';
import { openMariadbResource } from 'verdict/mariadb';
import { Participant } from 'verdict/nestjs';
import { vote } from 'verdict/participant';
import { type Config, configToken } from '../shared/config.ts';
import { MariadbDatabase } from '../shared/mariadb-database.ts';
import { migrateMariadb } from '../shared/migrations.ts';
import { refusal } from '../shared/refusal.ts';
import { payment } from './contract.ts';
import { accounts, charges, migrations } from './tables.ts';

/** A branch's work, on Drizzle's transaction. */
const charge = drizzleMysqlBranch(
  {},
  async (
    tx,
    { payload }: { readonly payload: { order: string; account: string; cents: number } },
  ) => {
    const { order, account, cents } = payload;
    const [{ affectedRows }] = await tx
      .update(accounts)
      .set({ cents: sql`${accounts.cents} - ${cents}` })
      .where(and(eq(accounts.id, account), gte(accounts.cents, cents)));
    if (affectedRows !== 1) return refusal(`${account} has too little money.`);
    await tx.insert(charges).values({ order, account, cents });
    return vote.commit();
  },
);

@Injectable()
@Participant({ contract: payment })
export class PaymentParticipant {
  constructor(
    @Inject(configToken) private readonly config: Config,
    private readonly database: MariadbDatabase,
  ) {}

  ready() {
    return migrateMariadb(this.database.pool, migrations);
  }

  resource() {
    return openMariadbResource({
      name: payment.name,
      connection: { uri: this.config.databaseUrl },
      // The statement that writes is the one that decides.
      isolation: 'read committed',
      prepare: charge,
    });
  }
}
