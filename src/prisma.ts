/**
 * `verdict/prisma`: branches that work with Prisma. Needs `@prisma/client` 7, and
 * `@prisma/adapter-pg` or `@prisma/adapter-mariadb` for the database.
 */
import './system/check-node.ts';

export {
  type PrismaBranchAdapter,
  type PrismaBranchOptions,
  type PrismaLike,
  prismaBranch,
} from './orm/prisma.ts';
