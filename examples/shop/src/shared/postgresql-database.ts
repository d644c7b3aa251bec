/** Connections for what is no branch: reads, and migrations. */
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { type Config, configToken } from './config.ts';

@Injectable()
export class PostgresqlDatabase implements OnApplicationShutdown {
  readonly pool: pg.Pool;
  readonly db: NodePgDatabase;

  constructor(@Inject(configToken) config: Config) {
    this.pool = new pg.Pool({
      connectionString: config.databaseUrl,
      max: 4,
      connectionTimeoutMillis: 5_000,
    });
    // An idle connection broke, of a server that ended say. The next query opens another.
    this.pool.on('error', () => undefined);
    this.db = drizzle({ client: this.pool });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}
