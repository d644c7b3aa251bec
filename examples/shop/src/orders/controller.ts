import {
  Body,
  Controller,
  Get,
  Headers,
  NotFoundException,
  Param,
  Post,
  Res,
} from '@nestjs/common';
import type { Response } from 'express';
import { orderIdOf, wantedOf } from './order-requests.ts';
import { Orders } from './orders.ts';

@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: Orders) {}

  @Post()
  async place(
    @Headers('idempotency-key') key: string | undefined,
    @Body() body: unknown,
    @Res({ passthrough: true }) response: Response,
  ) {
    const id = orderIdOf(key);
    const { order, replayed } = await this.orders.placeOnce(id, wantedOf(body));
    if (replayed) response.setHeader('Idempotency-Replayed', 'true');
    return order;
  }

  @Get(':id')
  async one(@Param('id') id: string) {
    const order = await this.orders.find(id);
    if (order === null) throw new NotFoundException('There is no order of this number.');
    return order;
  }
}
