/** The service `payment`: a participant, and the accounts to look at. */
import { Controller, type DynamicModule, Get, Module } from '@nestjs/common';
import { asc } from 'drizzle-orm';
import type { Config } from '../shared/config.ts';
import { MariadbDatabase } from '../shared/mariadb-database.ts';
import { readable } from '../shared/readable.ts';
import { ServiceModule } from '../shared/service-module.ts';
import { PaymentParticipant } from './participant.ts';
import { accounts } from './tables.ts';

@Controller('accounts')
class AccountsController {
  constructor(private readonly database: MariadbDatabase) {}

  @Get()
  all() {
    return readable('Accounts', this.database.db.select().from(accounts).orderBy(asc(accounts.id)));
  }
}

@Module({})
export class PaymentModule {
  static with(config: Config): DynamicModule {
    return {
      module: PaymentModule,
      imports: [ServiceModule.with(config)],
      controllers: [AccountsController],
      providers: [MariadbDatabase, PaymentParticipant],
    };
  }
}
