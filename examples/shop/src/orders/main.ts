import { runService } from '../shared/run-service.ts';
import { OrdersModule } from './module.ts';

await runService(
  { service: 'orders', databaseUrl: 'postgres://shop:shop@127.0.0.1:5432/orders', port: 3_000 },
  (config) => OrdersModule.with(config),
);
