/** MariaDB's resource with branches that write what their payload says, for hosted-resource.ts. */
import {
  type MariadbResourceOptions,
  openMariadbResource,
  type Sql,
} from '../../../src/mariadb.ts';
import { vote } from '../../../src/participant.ts';
import type { PrepareCall, PrepareResult } from '../../../src/ports/resource.ts';
import type { Hosted } from './hosted-resource.ts';

interface ContractPayload {
  readonly writes: Readonly<Record<string, string>>;
  readonly refuse: boolean;
}

type Settings = Omit<MariadbResourceOptions<unknown, unknown>, 'prepare' | 'clock'>;

export async function open(settings: Settings): Promise<Hosted> {
  const resource = await openMariadbResource<ContractPayload>({
    ...settings,
    prepare: plainWrites,
  });
  await resource.begin?.({ instance: '' });
  return {
    resource: {
      prepare: async (call) => resource.prepare(call as never),
      commit: async (call) => resource.commit(call as never),
      rollback: async (call) => resource.rollback(call as never),
      inDoubt: async () => [...((await resource.inDoubt?.()) ?? [])],
    },
    calls: {},
  };
}

export async function plainWrites(
  sql: Sql,
  { payload: { writes, refuse } }: PrepareCall<ContractPayload>,
): Promise<PrepareResult<never>> {
  // In one order for everybody: the contract is about branches that wait, not about deadlocks.
  for (const [key, value] of Object.entries(writes).sort()) {
    await sql.query('REPLACE INTO contract (name, value) VALUES (?, ?)', [key, value]);
  }
  return refuse ? vote.abort('Asked to refuse.') : vote.commit();
}
