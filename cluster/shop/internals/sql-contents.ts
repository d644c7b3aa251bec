/**
 * What a service's database holds, prepared branches included: by the names that the SDK gives them
 * there.
 */
import type { BranchRef } from '../../../src/participant.ts';
import { preparedBranches as mariadbBranches } from '../../../src/resources/mariadb/xid.ts';
import { branchOf } from '../../../src/resources/sql/names.ts';
import type { ServiceDatabase } from '../databases.ts';
import type { ServiceName } from '../paths.ts';
import type { ServiceContent } from '../service.ts';
import { type Query, type Row, recordOf, withQuery } from '../sql-records.ts';

/** Everything visible, and everything that is prepared and not ended, whoever it belongs to. */
export function readSqlContent(at: ServiceDatabase, service: ServiceName): Promise<ServiceContent> {
  return withQuery(at, async (query) => {
    const rows = await query<Row>('SELECT name, value, version FROM record');
    const records = new Map(rows.map((row) => [row.name, recordOf(row)]));
    const prepared = await preparedBranches(at, service, query);
    return { records, prepared };
  });
}

async function preparedBranches(
  { kind }: ServiceDatabase,
  service: ServiceName,
  query: Query,
): Promise<readonly BranchRef[]> {
  if (kind === 'postgresql') {
    const text = 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()';
    return (await query<{ gid: string }>(text)).map(({ gid }) => {
      const found = branchOf(service, gid);
      if (found === null)
        throw new Error(`PostgreSQL holds ${gid} prepared, which is no branch of ${service}.`);
      return found.ref;
    });
  }
  return (await mariadbBranches({ rows: query }, service)).map(({ ref }) => ref);
}
