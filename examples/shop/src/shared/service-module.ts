/** What all services have: the connection to the coordinator, and GET /health. */
import { type DynamicModule, Module } from '@nestjs/common';
import { VerdictModule } from 'verdict/nestjs';
import { type Config, configToken } from './config.ts';
import { HealthController } from './health.ts';

@Module({})
export class ServiceModule {
  static with(config: Config): DynamicModule {
    const { service, verdictUrls, dataDirectory } = config;
    return {
      module: ServiceModule,
      global: true,
      imports: [
        // For production: `token` or `tls` belongs here.
        VerdictModule.forRoot({
          isGlobal: true,
          urls: [...verdictUrls],
          name: service,
          participants: { dataDirectory },
        }),
      ],
      controllers: [HealthController],
      providers: [{ provide: configToken, useValue: config }],
      exports: [configToken],
    };
  }
}
