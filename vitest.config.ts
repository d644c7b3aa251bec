import { availableParallelism } from 'node:os';
import type { TestProjectInlineConfiguration, ViteUserConfig } from 'vitest/config';
import { slownessFactor } from './test/support/process/slowness.ts';
import { TotalsReporter } from './test/support/totals-reporter.ts';

/**
 * Ten suites. Those that start processes of their own (`e2e`, `databases`, `failover`, `partition`, `cluster`) run one file at a time,
 * after the others: two clusters at once on a small machine would only slow each other into their time-outs.
 */
/** The suite removes what it makes by itself, and reaches what it published on this machine alone. */
const inContainers = {
  TESTCONTAINERS_RYUK_DISABLED: 'true',
  TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1',
};

const config: ViteUserConfig = {
  test: {
    // The default reporter for people, then the totals: one plain line that ends every run.
    reporters: ['default', new TotalsReporter()],
    allowOnly: process.env['CI'] === undefined,
    projects: [
      suite('unit', { testTimeoutMs: 20_000, order: 1 }),
      suite('property', { testTimeoutMs: 120_000, order: 1 }),
      suite('spec', { testTimeoutMs: 300_000, order: 1 }),
      suite('contract', { testTimeoutMs: 60_000, order: 1 }),
      suite('simulation', { testTimeoutMs: 60_000, order: 1 }),
      suite('e2e', { testTimeoutMs: 180_000, order: 2, oneAtATime: true }),
      suite('databases', { testTimeoutMs: 120_000, order: 3, oneAtATime: true }),
      suite('failover', { testTimeoutMs: 120_000, order: 4, oneAtATime: true }),
      suite('partition', { testTimeoutMs: 120_000, order: 5, oneAtATime: true }),
      suite('cluster', { testTimeoutMs: 180_000, order: 6, oneAtATime: true, env: inContainers }),
    ],
  },
};

export default config;

interface SuiteOptions {
  readonly testTimeoutMs: number;
  /** From 1. Suites of a lower order are over before those of a higher one begin. (0 means something else to vitest.) */
  readonly order: number;
  readonly oneAtATime?: boolean;
  readonly env?: Record<string, string>;
}

function suite(
  name: string,
  { testTimeoutMs, order, oneAtATime = false, env = {} }: SuiteOptions,
): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: {
      name,
      env,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: testTimeoutMs * slownessFactor,
      hookTimeout: testTimeoutMs * slownessFactor,
      fileParallelism: !oneAtATime,
      // Vitest leaves one core to itself: on two, that is half of the time for nothing.
      ...(oneAtATime ? {} : { maxWorkers: availableParallelism() }),
      sequence: { groupOrder: order },
    },
  };
}
