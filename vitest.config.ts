import { availableParallelism } from 'node:os';
import type { TestProjectInlineConfiguration, ViteUserConfig } from 'vitest/config';
import { slownessFactor } from './test/support/process/slowness.ts';
import { TotalsReporter } from './test/support/totals-reporter.ts';

const cores = availableParallelism();
/**
 * Files at once of the suites that start processes of their own. They wait for leases and time-outs
 * far more than they compute. More than four would not fit into the memory of small machines.
 */
const filesWithProcesses = Math.min(cores + 1, 4);

/** The suite removes what it makes by itself, and reaches what it published on this machine alone. */
const inContainers = {
  TESTCONTAINERS_RYUK_DISABLED: 'true',
  TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1',
};

/**
 * Ten suites. Those that start processes of their own (`contract`, `e2e`, `databases`, `failover`,
 * `partition`, `cluster`) come after the others, which keep every core busy by themselves.
 */
const config: ViteUserConfig = {
  test: {
    // The default reporter for people, then the totals: one plain line that ends every run.
    reporters: ['default', new TotalsReporter()],
    allowOnly: process.env['CI'] === undefined,
    // What failed is named with its reason, also where that is a list of faults.
    chaiConfig: { truncateThreshold: 1_000 },
    // Vitest's own second is shorter than a poll of the leaders, or two pauses of a busy machine.
    expect: { poll: { timeout: 10_000 * slownessFactor } },
    projects: [
      suite('unit', { testTimeoutMs: 20_000, order: 1 }),
      suite('property', { testTimeoutMs: 120_000, order: 1 }),
      suite('spec', { testTimeoutMs: 300_000, order: 1 }),
      suite('contract', { testTimeoutMs: 60_000, order: 2 }),
      suite('simulation', { testTimeoutMs: 60_000, order: 1 }),
      suite('e2e', { testTimeoutMs: 180_000, order: 2 }),
      suite('databases', { testTimeoutMs: 120_000, order: 2 }),
      suite('failover', { testTimeoutMs: 120_000, order: 2 }),
      suite('partition', { testTimeoutMs: 120_000, order: 2 }),
      suite('cluster', { testTimeoutMs: 180_000, order: 2, env: inContainers }),
    ],
  },
};

export default config;

interface SuiteOptions {
  readonly testTimeoutMs: number;
  /** Those of 1 are over before those of 2 begin. (0 means something else to vitest.) */
  readonly order: 1 | 2;
  readonly env?: Record<string, string>;
}

function suite(
  name: string,
  { testTimeoutMs, order, env = {} }: SuiteOptions,
): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: {
      name,
      env,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: testTimeoutMs * slownessFactor,
      hookTimeout: testTimeoutMs * slownessFactor,
      // Vitest leaves one core to itself: on two, that is half of the time for nothing.
      maxWorkers: order === 1 ? cores : filesWithProcesses,
      sequence: { groupOrder: order },
    },
  };
}
