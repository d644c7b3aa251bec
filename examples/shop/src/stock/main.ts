import { runService } from '../shared/run-service.ts';
import { StockModule } from './module.ts';

await runService(
  { service: 'stock', databaseUrl: 'postgres://shop:shop@127.0.0.1:5432/stock', port: 3_010 },
  (config) => StockModule.with(config),
);
