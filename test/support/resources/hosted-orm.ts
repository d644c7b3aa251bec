/**
 * Branches that write with the library that their payload names, or else by `sql` itself, for
 * hosted-resource.ts.
 */
import type { PrepareCall } from '../../../src/ports/resource.ts';
import { type LibrarySettings, openLibrary } from './hosted-library.ts';
import { plainWrites } from './hosted-mariadb.ts';
import type { Hosted } from './hosted-resource.ts';
import { mariadbWrites, type OrmPayload, postgresqlWrites } from './orm-writes.ts';

export function open(settings: LibrarySettings): Promise<Hosted> {
  const writes = settings.database === 'postgresql' ? postgresqlWrites : mariadbWrites;
  return openLibrary(settings, (sql, call) => {
    if (!('library' in call.payload)) return plainWrites(sql, call);
    const given = call as PrepareCall<OrmPayload>;
    return writes[given.payload.library](sql, given);
  });
}
