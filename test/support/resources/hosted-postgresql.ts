/**
 * PostgreSQL's resource with branches that write what their payload says, for hosted-resource.ts.
 */
import { vote } from '../../../src/participant.ts';
import {
  openPostgresqlResource,
  type PostgresqlResourceOptions,
  type PrepareSql,
} from '../../../src/postgresql.ts';
import type { Hosted } from './hosted-resource.ts';

export interface ContractPayload {
  readonly writes: Readonly<Record<string, string>>;
  readonly refuse: boolean;
}

export type HostedPostgresqlSettings = Omit<
  PostgresqlResourceOptions<unknown, unknown>,
  'prepare' | 'clock'
>;

export const writePayload: PrepareSql<unknown, unknown> = async (sql, call) => {
  const { writes, refuse } = call.payload as ContractPayload;
  // In one order for everybody: the contract is about branches that wait, not about deadlocks.
  for (const [key, value] of Object.entries(writes).sort()) {
    await sql.query(
      'INSERT INTO contract (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      [key, value],
    );
  }
  return refuse ? vote.abort('Asked to refuse.') : vote.commit();
};

export async function open(settings: HostedPostgresqlSettings): Promise<Hosted> {
  const resource = await openPostgresqlResource({ ...settings, prepare: writePayload });
  await resource.begin?.({ instance: '' });
  return {
    resource: {
      prepare: async (call) => resource.prepare(call),
      commit: async (call) => resource.commit(call),
      rollback: async (call) => resource.rollback(call),
      inDoubt: async () => [...((await resource.inDoubt?.()) ?? [])],
    },
    calls: {},
  };
}
