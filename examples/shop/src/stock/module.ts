/** The service `stock`: a participant, and what is left to look at. */
import { Controller, type DynamicModule, Get, Module } from '@nestjs/common';
import { asc } from 'drizzle-orm';
import type { Config } from '../shared/config.ts';
import { PostgresqlDatabase } from '../shared/postgresql-database.ts';
import { readable } from '../shared/readable.ts';
import { ServiceModule } from '../shared/service-module.ts';
import { StockParticipant } from './participant.ts';
import { items } from './tables.ts';

@Controller('items')
class ItemsController {
  constructor(private readonly database: PostgresqlDatabase) {}

  @Get()
  all() {
    return readable('Items', this.database.db.select().from(items).orderBy(asc(items.sku)));
  }
}

@Module({})
export class StockModule {
  static with(config: Config): DynamicModule {
    return {
      module: StockModule,
      imports: [ServiceModule.with(config)],
      controllers: [ItemsController],
      providers: [PostgresqlDatabase, StockParticipant],
    };
  }
}
