/** Branches that write with TypeORM what their payload says, for hosted-resource.ts. */
import { vote } from '../../../src/participant.ts';
import { typeormBranch } from '../../../src/typeorm.ts';
import { contractRows } from '../orm/typeorm-entities.ts';
import { type LibraryPayload, type LibrarySettings, openLibrary } from './hosted-library.ts';
import type { Hosted } from './hosted-resource.ts';

export function open(settings: LibrarySettings): Promise<Hosted> {
  const type = settings.database === 'postgresql' ? 'postgres' : 'mariadb';
  const prepare = typeormBranch<LibraryPayload>(
    { type, entities: [contractRows] },
    async (manager, { payload: { writes, refuse } }) => {
      // In one order for everybody: the contract is about branches that wait, not about deadlocks.
      for (const [name, value] of Object.entries(writes).sort())
        await manager.upsert(contractRows, { name, value }, ['name']);
      return refuse ? vote.abort('Asked to refuse.') : vote.commit();
    },
  );
  return openLibrary(settings, prepare);
}
