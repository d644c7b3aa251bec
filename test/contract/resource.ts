/** The contract that is shipped (`verdict/testing`), under vitest. */
import { describe, it } from 'vitest';
import {
  resourceContract as contract,
  type ResourceContractOptions,
  type ResourceHarness,
} from '../../src/testing.ts';

export type { ResourceHarness, Writes } from '../../src/testing.ts';

export function resourceContract(
  name: string,
  make: () => Promise<ResourceHarness>,
  options: Pick<ResourceContractOptions, 'writesCompete'> = {},
): void {
  contract(name, make, { ...options, describe, it });
}
