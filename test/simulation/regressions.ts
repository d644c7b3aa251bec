/**
 * Runs that once failed, each with the reason: what was wrong is mended, and stays so. A seed draws another run when the
 * drawing changes; what broke has a test of its own besides, where that is possible.
 */
import type { PlanLimits } from './plan.ts';

export interface Regression {
  readonly seed: number;
  readonly limits: PlanLimits;
  readonly why: string;
}

export const regressions: readonly Regression[] = [];
