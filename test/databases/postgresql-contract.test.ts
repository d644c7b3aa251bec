import { plainPayloads } from './mariadb-contract.ts';
import { postgresqlContract } from './postgresql-contract.ts';

postgresqlContract('PostgreSQL', { payloads: plainPayloads });
