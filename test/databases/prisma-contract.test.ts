import { libraryContract } from './library-contract.ts';

// Its upsert reads first there, which under `serializable` keeps all others from adding a row.
await libraryContract('Prisma', './hosted-prisma.ts', { isolation: 'read committed' });
