import { libraryContract } from './library-contract.ts';

await libraryContract('TypeORM', './hosted-typeorm.ts');
