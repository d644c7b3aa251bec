/** Connections for what is no branch: reads, and migrations. */
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { drizzle, type MySql2Database } from 'drizzle-orm/mysql2';
import mysql from 'mysql2';
import type { Pool } from 'mysql2/promise';
import { type Config, configToken } from './config.ts';

@Injectable()
export class MariadbDatabase implements OnApplicationShutdown {
  readonly pool: Pool;
  readonly db: MySql2Database;

  constructor(@Inject(configToken) config: Config) {
    const pool = mysql.createPool({
      uri: config.databaseUrl,
      connectionLimit: 4,
      connectTimeout: 5_000,
    });
    this.pool = pool.promise();
    this.db = drizzle({ client: pool });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}
