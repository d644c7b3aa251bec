/** GET /health: whether this replica is to get requests. For readiness, not for liveness. */
import { Controller, Get, Inject, ServiceUnavailableException } from '@nestjs/common';
import { VerdictHealthIndicator } from 'verdict/nestjs';
import { type Config, configToken } from './config.ts';

@Controller('health')
export class HealthController {
  constructor(
    @Inject(configToken) private readonly config: Config,
    private readonly verdict: VerdictHealthIndicator,
  ) {}

  @Get()
  async health() {
    const { verdict } = await this.verdict.isHealthy('verdict');
    const { status } = verdict;
    const { service, instance, version } = this.config;
    const body = { status, service, instance, version, verdict };
    if (status === 'down') throw new ServiceUnavailableException(body);
    return body;
  }
}
