/** The service `orders`: the shop's API, and a participant of its own. */
import { type DynamicModule, Injectable, Logger, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { AbortReason } from 'verdict/client';
import { VerdictExceptionFilter } from 'verdict/nestjs';
import type { Config } from '../shared/config.ts';
import { PostgresqlDatabase } from '../shared/postgresql-database.ts';
import { refusalIn } from '../shared/refusal.ts';
import { ServiceModule } from '../shared/service-module.ts';
import { OrdersController } from './controller.ts';
import { Orders } from './orders.ts';
import { OrdersParticipant } from './participant.ts';

/** Callers are told why: too little of it is left, or too little money. */
@Injectable()
class RefusalFilter extends VerdictExceptionFilter {
  readonly #log = new Logger('Orders');

  protected override describe(reason: AbortReason) {
    const detail = refusalIn(reason);
    if (detail !== undefined) return { detail };
    this.#log.warn(`An order was not placed: ${reason.code}: ${reason.message}`);
    return undefined;
  }

  /** The order's number is made from the request's key, and there is one order of a number. */
  protected override isRepeatable(): boolean {
    return true;
  }
}

@Module({})
export class OrdersModule {
  static with(config: Config): DynamicModule {
    return {
      module: OrdersModule,
      imports: [ServiceModule.with(config)],
      controllers: [OrdersController],
      providers: [
        PostgresqlDatabase,
        OrdersParticipant,
        Orders,
        { provide: APP_FILTER, useClass: RefusalFilter },
      ],
    };
  }
}
