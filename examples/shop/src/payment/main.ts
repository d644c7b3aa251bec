import { runService } from '../shared/run-service.ts';
import { PaymentModule } from './module.ts';

await runService(
  { service: 'payment', databaseUrl: 'mysql://shop:shop@127.0.0.1:3306/payment', port: 3_020 },
  (config) => PaymentModule.with(config),
);
