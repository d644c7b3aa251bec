import type { ResourceContractOptions } from './harness.ts';

type Framework = Required<Pick<ResourceContractOptions, 'describe' | 'it'>>;

// Vitest has them where it is told to, jest always, node:test never.
declare const describe: Framework['describe'] | undefined;
declare const it: Framework['it'] | undefined;

/** What was handed in, or else the globals. */
export function frameworkOf(given: ResourceContractOptions): Framework {
  const found = {
    describe: given.describe ?? (typeof describe === 'function' ? describe : undefined),
    it: given.it ?? (typeof it === 'function' ? it : undefined),
  };
  if (found.describe !== undefined && found.it !== undefined) return found as Framework;
  throw new TypeError(
    "There is no global describe and it. Give them: import { describe, it } from 'node:test' (or 'vitest', or '@jest/globals'), then resourceContract(name, make, { describe, it }).",
  );
}
