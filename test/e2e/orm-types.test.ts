/** What `prepare` gets from an ORM is typed, from the generated client to the vote's result. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { generatedPrisma } from '../support/orm/prisma-client.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
let directory = '';

beforeAll(async () => {
  await generatedPrisma('postgresql');
  directory = mkdtempSync(join(root, '.cache/types-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function compiled(source: string): Promise<string> {
  writeFileSync(join(directory, 'main.ts'), source);
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { declaration: false, isolatedDeclarations: false },
    include: ['main.ts', '../../src/store/*.d.ts'],
  };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules/.bin/tsc');
  return promisify(execFile)(tsc, ['-p', directory], { cwd: directory }).then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  );
}

it("Prisma's client, its extensions and the result", async () => {
  const client = join(await generatedPrisma('postgresql'), 'client.ts');
  const source = `
import { PrismaClient } from '${relative(directory, client)}';
import { vote, type PrepareCall } from '../../src/participant.ts';
import { openPostgresqlResource, type PrepareSql } from '../../src/postgresql.ts';
import { prismaBranch } from '../../src/prisma.ts';

const prepare = prismaBranch(
  (adapter) => new PrismaClient({ adapter }),
  async (prisma, { payload }: PrepareCall<{ readonly account: number }>, sql) => {
    const account = await prisma.account.findUniqueOrThrow({ where: { id: payload.account } });
    const balance: number = account.balance;
    // @ts-expect-error: no such field
    account.nothing;
    // @ts-expect-error: no such model
    prisma.nothing;
    await prisma.$transaction(async (tx) => tx.account.count());
    await sql.query('SELECT 1');
    return balance > 0 ? vote.commit({ balance }) : vote.abort('no');
  },
);
export const typed: PrepareSql<{ readonly account: number }, { balance: number }> = prepare;
// @ts-expect-error: another result
export const other: PrepareSql<{ readonly account: number }, { name: string }> = prepare;
export const resource = openPostgresqlResource({ name: 'a', connection: {}, prepare });

export const extended = prismaBranch(
  (adapter) => new PrismaClient({ adapter }).$extends({ model: { account: { twice: (n: number) => 2 * n } } }),
  (prisma) => {
    const four: number = prisma.account.twice(2);
    return four === 4 ? vote.commit() : vote.readonly();
  },
);
`;
  expect(await compiled(source)).toBe('');
});

it("TypeORM's options, its manager and the result", async () => {
  const source = `
import { vote, type PrepareCall } from '../../src/participant.ts';
import { openMariadbResource, type PrepareSql } from '../../src/mariadb.ts';
import { typeormBranch } from '../../src/typeorm.ts';
import { accounts } from '../../test/support/orm/typeorm-entities.ts';

const prepare = typeormBranch(
  { type: 'mariadb', entities: [accounts] },
  async (manager, { payload }: PrepareCall<{ readonly account: number }>) => {
    const { balance } = await manager.findOneByOrFail(accounts, { id: payload.account });
    // @ts-expect-error: no such field
    await manager.findOneBy(accounts, { nothing: 1 });
    return balance > 0 ? vote.commit({ balance }) : vote.abort('no');
  },
);
export const typed: PrepareSql<{ readonly account: number }, { balance: number }> = prepare;
// @ts-expect-error: another result
export const other: PrepareSql<{ readonly account: number }, { name: string }> = prepare;
export const resource = openMariadbResource({ name: 'a', connection: {}, prepare });
// @ts-expect-error: migrations are not a branch's
typeormBranch({ type: 'postgres', synchronize: true }, () => vote.commit());
`;
  expect(await compiled(source)).toBe('');
});
