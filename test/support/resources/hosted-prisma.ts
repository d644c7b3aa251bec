/** Branches that write with Prisma what their payload says, for hosted-resource.ts. */
import { vote } from '../../../src/participant.ts';
import { prismaBranch } from '../../../src/prisma.ts';
import { prismaClientClass } from '../orm/prisma-client.ts';
import { type LibraryPayload, type LibrarySettings, openLibrary } from './hosted-library.ts';
import type { Hosted } from './hosted-resource.ts';

export async function open(settings: LibrarySettings): Promise<Hosted> {
  const provider = settings.database === 'postgresql' ? 'postgresql' : 'mysql';
  const PrismaClient = await prismaClientClass(provider);
  const prepare = prismaBranch<InstanceType<typeof PrismaClient>, LibraryPayload, never>(
    (adapter) => new PrismaClient({ adapter }),
    async (prisma, { payload: { writes, refuse } }) => {
      // In one order for everybody: the contract is about branches that wait, not about deadlocks.
      for (const [name, value] of Object.entries(writes).sort()) {
        const row = { name, value };
        await prisma.contract.upsert({ where: { name }, create: row, update: row });
      }
      return refuse ? vote.abort('Asked to refuse.') : vote.commit();
    },
  );
  return openLibrary(settings, prepare);
}
