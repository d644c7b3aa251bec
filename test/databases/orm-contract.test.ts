/** The resource contract on branches of libraries, several beside each other in every test. */
import { libraryContract } from './library-contract.ts';
import { libraryPayloads } from './mariadb-contract.ts';

await libraryContract('Kysely, Drizzle, Knex', './hosted-orm.ts', { payloads: libraryPayloads });
