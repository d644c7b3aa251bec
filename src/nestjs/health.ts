/** Whether the application can run transactions, as `@nestjs/terminus` wants to be told. */
import { thrownText } from '../core/thrown.ts';
import type { Connection } from './connection.ts';

/** What terminus shows of an indicator. */
export type HealthResult<Key extends string = string> = Record<
  Key,
  { readonly status: 'up' | 'down' } & Readonly<Record<string, unknown>>
>;

/**
 * Fits `HealthCheckService.check` of `@nestjs/terminus`, and needs nothing of it. Meant for
 * readiness: an application without a leader, or at its end, is to get no traffic, and restarting
 * it helps nothing.
 *
 * ```ts
 * @Get('ready')
 * @HealthCheck()
 * ready() {
 *   return this.health.check([() => this.verdict.isHealthy('verdict')]);
 * }
 * ```
 */
export class VerdictHealthIndicator {
  readonly #connection: Connection;
  #refusesTraffic = false;

  /** @internal Made by the module. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * `down` from now on, while requests are still answered: call it some seconds before
   * `app.close()`, for whoever sends requests to see it and take another replica.
   *
   * ```ts
   * process.once('SIGTERM', async () => {
   *   app.get(VerdictHealthIndicator).refuseTraffic();
   *   await setTimeout(5_000); // of node:timers/promises: longer than the probe's period
   *   await app.close();
   * });
   * ```
   */
  refuseTraffic(): void {
    this.#refusesTraffic = true;
  }

  /**
   * `up` where each shard has a leader that this client reaches, and each participant of the
   * application is connected to a node. `down` says what is missing, and never throws. From the
   * application's end on, or `refuseTraffic`, it is `down`.
   */
  async isHealthy<const Key extends string>(
    key: Key,
    { timeoutMs = 1_000 }: { readonly timeoutMs?: number } = {},
  ): Promise<HealthResult<Key>> {
    const { served } = this.#connection;
    const participants = served.handles.map(({ name }) => name);
    const inDoubt = served.handles.reduce((sum, handle) => sum + handle.inDoubt().length, 0);
    const detail = participants.length === 0 ? {} : { participants, inDoubt };
    const problems = await this.#problems(timeoutMs);
    const result =
      problems.length === 0
        ? { status: 'up' as const, ...detail }
        : { status: 'down' as const, ...detail, message: problems.join(' ') };
    return { [key]: result } as HealthResult<Key>;
  }

  async #problems(timeoutMs: number): Promise<readonly string[]> {
    const { client, served, isEnding } = this.#connection;
    if (this.#refusesTraffic || isEnding) return ['The application is ending.'];
    const checks = [
      client.ready({ timeoutMs }).catch(reason('no leader')),
      ...served.handles.map((handle) =>
        handle.connected({ timeoutMs }).catch(reason(`participant ${handle.name}`)),
      ),
    ];
    return (await Promise.all(checks)).filter((text) => text !== undefined);
  }
}

function reason(what: string): (error: unknown) => string {
  return (error) => `${what}: ${thrownText(error)}`;
}
