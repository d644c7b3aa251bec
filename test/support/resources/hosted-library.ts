/** A resource over either database with this `prepare`, for hosted-resource.ts. */
import { openMariadbResource } from '../../../src/mariadb.ts';
import {
  type Isolation,
  openPostgresqlResource,
  type PrepareSql,
} from '../../../src/postgresql.ts';
import type { Hosted } from './hosted-resource.ts';

export interface LibrarySettings {
  readonly database: 'postgresql' | 'mariadb';
  readonly connection: object;
  readonly name: string;
  readonly isolation?: Isolation;
}

export interface LibraryPayload {
  readonly writes: Readonly<Record<string, string>>;
  readonly refuse: boolean;
}

export async function openLibrary(
  { database, ...settings }: LibrarySettings,
  prepare: PrepareSql<LibraryPayload, unknown>,
): Promise<Hosted> {
  const open = database === 'postgresql' ? openPostgresqlResource : openMariadbResource;
  const resource = await open<LibraryPayload>({ ...settings, prepare });
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
