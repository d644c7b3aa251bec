/** `verdict/typeorm`: branches that work with TypeORM. Needs `typeorm` 1, and `pg` or `mysql2`. */
import './system/check-node.ts';

export { type TypeormBranchOptions, typeormBranch } from './orm/typeorm.ts';
