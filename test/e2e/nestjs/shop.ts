/** A shop as a user of NestJS writes it: HTTP, services, and two participants of its own. */
import {
  Body,
  Controller,
  type DynamicModule,
  Get,
  HttpCode,
  Injectable,
  Module,
  type OnModuleDestroy,
  Post,
} from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { z } from 'zod';
import {
  type AbortReason,
  type Client,
  currentTransaction,
  defineParticipant,
} from '../../../src/client.ts';
import {
  InjectVerdict,
  Participant,
  Transactional,
  VerdictExceptionFilter,
  VerdictHealthIndicator,
  VerdictModule,
  type VerdictModuleOptions,
} from '../../../src/nestjs.ts';
import { type BranchRef, type PrepareCall, type Txid, vote } from '../../../src/participant.ts';

export const inventory = defineParticipant({
  name: 'inventory',
  payload: z.object({ sku: z.string(), quantity: z.int().positive() }),
  result: z.object({ left: z.int() }),
});

/** What happened, in order: of all that a test wants to see. */
@Injectable()
export class Events {
  readonly seen: string[] = [];
}

/** Stands for a pool of connections: whoever uses it after its end fails. */
@Injectable()
export class Pool implements OnModuleDestroy {
  #open = true;
  constructor(private readonly events: Events) {}

  use(): void {
    if (!this.#open) throw new Error('The pool is closed.');
  }

  onModuleDestroy(): void {
    this.#open = false;
    this.events.seen.push('pool closed');
  }
}

@Injectable()
export class Stock {
  readonly left = new Map([['lamp', 10]]);
  readonly held = new Map<Txid, { sku: string; quantity: number }>();
  /** Each prepare waits for it. */
  gate: Promise<void> = Promise.resolve();
}

@Injectable()
@Participant({ contract: inventory })
export class Inventory implements OnModuleDestroy {
  constructor(
    private readonly stock: Stock,
    private readonly pool: Pool,
    private readonly events: Events,
  ) {}

  async prepare({ txid, payload }: PrepareCall<{ sku: string; quantity: number }>) {
    this.events.seen.push('prepare begins');
    await this.stock.gate;
    this.pool.use();
    const left = (this.stock.left.get(payload.sku) ?? 0) - payload.quantity;
    if (left < 0) return vote.abort(`Too little of ${payload.sku}.`);
    this.stock.left.set(payload.sku, left);
    this.stock.held.set(txid, payload);
    return vote.commit({ left });
  }

  commit({ txid }: BranchRef): void {
    this.pool.use();
    this.stock.held.delete(txid);
  }

  rollback({ txid }: BranchRef): void {
    const held = this.stock.held.get(txid);
    if (held === undefined) return;
    this.stock.left.set(held.sku, (this.stock.left.get(held.sku) ?? 0) + held.quantity);
    this.stock.held.delete(txid);
  }

  onModuleDestroy(): void {
    this.events.seen.push('inventory destroyed');
  }
}

@Injectable()
@Participant({ name: 'payment' })
export class Payment {
  readonly charged: number[] = [];
  readonly closed: string[] = [];

  /** As the resource of a database: with a close of its own. */
  resource() {
    return {
      prepare: ({ payload }: PrepareCall<{ cents: number }>) => {
        this.charged.push(payload.cents);
        return vote.commit();
      },
      commit: () => undefined,
      rollback: () => undefined,
      close: async () => {
        this.closed.push('resource');
      },
    };
  }
}

@Injectable()
export class Orders {
  constructor(@InjectVerdict() readonly client: Client) {}

  @Transactional({ timeoutMs: 8_000, maxAttempts: 2 })
  async place(sku: string, quantity: number): Promise<{ sku: string; txid: string }> {
    const tx = currentTransaction();
    await tx.enlist(inventory.branch({ sku, quantity }));
    await tx.enlist({ participant: 'payment', payload: { cents: 100 * quantity } });
    return { sku, txid: tx.txid };
  }
}

@Controller()
export class ShopController {
  constructor(
    private readonly orders: Orders,
    readonly health: VerdictHealthIndicator,
  ) {}

  @Post('orders')
  @HttpCode(202)
  order(@Body() { sku, quantity }: { sku: string; quantity: number }) {
    return this.orders.place(sku, quantity);
  }

  /** On a controller, below the route's own decorator. */
  @Get('direct')
  @Transactional()
  async direct(): Promise<{ txid: string }> {
    const tx = currentTransaction();
    await tx.enlist(inventory.branch({ sku: 'lamp', quantity: 1 }));
    return { txid: tx.txid };
  }

  @Get('ready')
  ready() {
    return this.health.isHealthy('verdict');
  }
}

/** Callers are told what the participants say. */
@Injectable()
class ShopFilter extends VerdictExceptionFilter {
  protected override describe({ code, message }: AbortReason) {
    return code === 'VOTED_ABORT' ? { detail: message } : undefined;
  }
}

@Module({ providers: [Events, Pool], exports: [Events, Pool] })
class DatabaseModule {}

@Module({
  imports: [DatabaseModule],
  controllers: [ShopController],
  providers: [Stock, Inventory, Payment, Orders, { provide: APP_FILTER, useClass: ShopFilter }],
})
export class ShopModule {
  static with(options: VerdictModuleOptions): DynamicModule {
    return {
      module: ShopModule,
      imports: [VerdictModule.forRoot({ ...options, isGlobal: true })],
    };
  }
}
