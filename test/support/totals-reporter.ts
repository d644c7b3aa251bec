/**
 * Ends every run with one plain line, `123 passed, 0 failed, 2 skipped`, and before it names what
 * was skipped and why: a test that did not run must not look like one that passed.
 */
import type { Reporter, TestModule } from 'vitest/node';

interface Totals {
  passed: number;
  failed: number;
  readonly skipped: { readonly name: string; readonly reason: string }[];
}

export class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const totals = count(modules, unhandledErrors.length);
    const lines = [''];
    if (totals.skipped.length > 0) {
      lines.push(`SKIPPED, not tested in this run (${totals.skipped.length}):`);
      for (const { name, reason } of totals.skipped) lines.push(`  ${name}: ${reason}`);
      lines.push('');
    }
    const { passed, failed, skipped } = totals;
    lines.push(`${passed} passed, ${failed} failed, ${skipped.length} skipped`, '');
    process.stdout.write(lines.join('\n'));
  }
}

function count(modules: readonly TestModule[], unhandledErrors: number): Totals {
  // An error outside any test fails the run as well, so it is counted as a failure of its own.
  const totals: Totals = { passed: 0, failed: unhandledErrors, skipped: [] };
  for (const module of modules) {
    totals.failed += module.errors().length;
    for (const suite of module.children.allSuites()) totals.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === 'passed') totals.passed += 1;
      else if (result.state === 'failed') totals.failed += 1;
      else {
        // Pending, too: a run that was cut off did not test it.
        const note = result.state === 'skipped' ? result.note : 'the run ended before it';
        totals.skipped.push({
          name: `${module.relativeModuleId} > ${test.fullName}`,
          reason: note ?? (test.options.mode === 'todo' ? 'not written yet' : 'no reason given'),
        });
      }
    }
  }
  return totals;
}
