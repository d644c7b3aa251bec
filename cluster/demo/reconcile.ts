/**
 * Does it all add up? Each check compares two records of the same run that no one else compares,
 * and names every discrepancy it finds by its ids.
 */
import { answerChecks } from './check-answers.ts';
import { storeChecks } from './check-stores.ts';
import type { Facts } from './internals/facts.ts';

export interface Check {
  readonly name: string;
  /** One line for each discrepancy; none where it adds up. */
  find(facts: Facts): Iterable<string>;
}

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** The first of them. */
  readonly problems: readonly string[];
  readonly problemCount: number;
}

/** More would hide the others; the kept data directory has them all. */
const maxProblems = 20;

export function reconcile(facts: Facts): readonly CheckResult[] {
  return [...answerChecks, ...storeChecks].map((check) => {
    const found = [...check.find(facts)];
    return {
      name: check.name,
      ok: found.length === 0,
      problems: found.slice(0, maxProblems),
      problemCount: found.length,
    };
  });
}
