/**
 * Prisma's client for the tests, as `prisma generate` makes it: once for each schema, in `.cache`.
 * It takes a second and no download: the engine that migrates, which Prisma would fetch, is not
 * used to generate, and any file will do for it.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const cli = join(root, 'node_modules/prisma');

export type PrismaProvider = 'postgresql' | 'mysql';

const models = (provider: PrismaProvider): string => {
  const postgresql = provider === 'postgresql';
  return `
generator client {
  provider            = "prisma-client"
  output              = "./client"
  importFileExtension = "ts"
}

datasource db {
  provider = "${provider}"
  ${postgresql ? 'schemas  = ["public", "archive"]' : ''}
}

enum Colour {
  RED
  GREEN @map("green one")
  ${postgresql ? '@@schema("public")' : ''}
}

model Account {
  id      Int @id
  balance Int
  @@map("account")
  ${postgresql ? '@@schema("public")' : ''}
}

model Contract {
  name  String @id${postgresql ? '' : ' @db.VarChar(200)'}
  value String${postgresql ? '' : ' @db.Text'}
  @@map("contract")
  ${postgresql ? '@@schema("public")' : ''}
}

model Order {
  id    Int    @id @default(autoincrement())
  lines Line[]
  @@map("orders")
  ${postgresql ? '@@schema("public")' : ''}
}

model Line {
  id      Int    @id @default(autoincrement())
  orderId Int    @map("order_id")
  sku     String @unique${postgresql ? '' : ' @db.VarChar(100)'}
  order   Order  @relation(fields: [orderId], references: [id], onDelete: Cascade)
  @@map("line")
  ${postgresql ? '@@schema("public")' : ''}
}

model Kinds {
  id      BigInt    @id
  price   Decimal   @db.Decimal(20, 4)
  data    Json
  colour  Colour
  at      DateTime  ${postgresql ? '@db.Timestamptz(3)' : '@db.DateTime(3)'}
  day     DateTime  @db.Date
  bytes   Bytes
  flag    Boolean
  ratio   Float
  maybe   String?
  ${postgresql ? 'tags String[]' : ''}
  @@map("kinds")
  ${postgresql ? '@@schema("public")' : ''}
}
${
  postgresql
    ? `
model Archived {
  id Int @id
  @@map("archived")
  @@schema("archive")
}`
    : ''
}`;
};

/** The tables of these models, one statement each. */
export const prismaTables: Readonly<Record<PrismaProvider, readonly string[]>> = {
  postgresql: [
    'CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)',
    'INSERT INTO account VALUES (1, 100), (2, 100)',
    'CREATE TABLE orders (id serial PRIMARY KEY)',
    'CREATE TABLE line (id serial PRIMARY KEY, order_id int NOT NULL REFERENCES orders ON DELETE CASCADE, sku text NOT NULL CONSTRAINT line_sku_key UNIQUE)',
    `CREATE TYPE "Colour" AS ENUM ('RED', 'green one')`,
    'CREATE TABLE kinds (id bigint PRIMARY KEY, price decimal(20, 4) NOT NULL, data jsonb NOT NULL, colour "Colour" NOT NULL, at timestamptz(3) NOT NULL, day date NOT NULL, bytes bytea NOT NULL, flag boolean NOT NULL, ratio double precision NOT NULL, maybe text, tags text[])',
    'CREATE SCHEMA archive',
    'CREATE TABLE archive.archived (id int PRIMARY KEY)',
  ],
  mysql: [
    'CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL)',
    'INSERT INTO account VALUES (1, 100), (2, 100)',
    'CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT)',
    'CREATE TABLE line (id INT PRIMARY KEY AUTO_INCREMENT, order_id INT NOT NULL, sku VARCHAR(100) NOT NULL, UNIQUE line_sku_key (sku), FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE)',
    `CREATE TABLE kinds (id BIGINT PRIMARY KEY, price DECIMAL(20, 4) NOT NULL, data JSON NOT NULL, colour ENUM ('RED', 'green one') NOT NULL, at DATETIME(3) NOT NULL, day DATE NOT NULL, bytes LONGBLOB NOT NULL, flag BOOLEAN NOT NULL, ratio DOUBLE NOT NULL, maybe TEXT)`,
  ],
};

/** The folder of the generated client, with `client.ts` in it. */
export async function generatedPrisma(provider: PrismaProvider): Promise<string> {
  const schema = models(provider);
  const version = (
    JSON.parse(readFileSync(join(cli, 'package.json'), 'utf8')) as { version: string }
  ).version;
  const mark = createHash('sha256').update(`${version} ${schema}`).digest('hex').slice(0, 12);
  const folder = join(root, '.cache/prisma', `${provider}-${mark}`);
  if (existsSync(folder)) return join(folder, 'client');
  await mkdir(join(root, '.cache/prisma'), { recursive: true });
  const made = await mkdtemp(join(root, '.cache/prisma/new-'));
  await writeFile(join(made, 'schema.prisma'), schema);
  await promisify(execFile)(
    process.execPath,
    [join(cli, 'build/index.js'), 'generate', '--schema', join(made, 'schema.prisma')],
    {
      cwd: made,
      env: {
        ...process.env,
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        CHECKPOINT_DISABLE: '1',
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
      },
    },
  );
  // Another process may have been quicker.
  await rename(made, folder).catch(() => rm(made, { recursive: true, force: true }));
  return join(folder, 'client');
}

/** The class, whose types are not known before it is generated. */
export async function prismaClientClass(
  provider: PrismaProvider,
  // biome-ignore lint/suspicious/noExplicitAny: generated, so not there when types are checked
): Promise<new (options: object) => any> {
  const file = pathToFileURL(join(await generatedPrisma(provider), 'client.ts'));
  return ((await import(file.href)) as { PrismaClient: never }).PrismaClient;
}
