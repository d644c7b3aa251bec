/**
 * Ends every run with one plain line, `123 passed, 0 failed, 2 skipped`, and before it names what
 * was skipped and why: a test that did not run must not look like one that passed. It names what
 * failed as well, for the end of a long log is often all that is kept of it.
 */
import { stripVTControlCharacters } from 'node:util';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

interface Named {
  readonly name: string;
  readonly reason: string;
}

interface Totals {
  passed: number;
  readonly failed: Named[];
  readonly skipped: Named[];
}

export class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const totals = count(modules, unhandledErrors);
    const { passed, failed, skipped } = totals;
    const lines = [
      '',
      ...listed('SKIPPED, not tested in this run', skipped),
      ...listed('FAILED', failed),
      `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`,
      '',
    ];
    process.stdout.write(lines.join('\n'));
  }
}

function listed(title: string, tests: readonly Named[]): string[] {
  if (tests.length === 0) return [];
  return [
    `${title} (${tests.length}):`,
    ...tests.map(({ name, reason }) => `  ${name}: ${reason}`),
    '',
  ];
}

function count(
  modules: readonly TestModule[],
  unhandledErrors: readonly SerializedError[],
): Totals {
  // An error outside any test fails the run as well, so it is counted as a failure of its own.
  const failed = unhandledErrors.map((error) => failure('outside any test', [error]));
  const totals: Totals = { passed: 0, failed, skipped: [] };
  for (const module of modules) {
    const file = module.relativeModuleId;
    for (const error of module.errors()) failed.push(failure(file, [error]));
    for (const suite of module.children.allSuites()) {
      for (const error of suite.errors())
        failed.push(failure(`${file} > ${suite.fullName}`, [error]));
    }
    for (const test of module.children.allTests()) {
      const result = test.result();
      const name = `${file} > ${test.fullName}`;
      if (result.state === 'passed') totals.passed += 1;
      else if (result.state === 'failed') failed.push(failure(name, result.errors));
      else {
        // Pending, too: a run that was cut off did not test it.
        const note = result.state === 'skipped' ? result.note : 'the run ended before it';
        totals.skipped.push({
          name,
          reason: note ?? (test.options.mode === 'todo' ? 'not written yet' : 'no reason given'),
        });
      }
    }
  }
  return totals;
}

/** The first line of the first error: the whole of it stands further up. */
function failure(name: string, [error]: readonly { readonly message: string }[]): Named {
  const [reason = ''] = stripVTControlCharacters(error?.message ?? '').split('\n', 1);
  return { name, reason: reason === '' ? 'no message' : reason };
}
