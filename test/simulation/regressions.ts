/**
 * Runs that once failed, each with the reason: what was wrong is mended, and stays so. A seed draws another run when the
 * drawing changes; what broke has a test of its own besides, where that is possible.
 */
import { parseFaults } from './faults.ts';
import type { PlanLimits } from './plan.ts';

export interface Regression {
  readonly seed: number;
  readonly limits: PlanLimits;
  readonly why: string;
}

export const regressions: readonly Regression[] = [
  {
    seed: 103_810,
    limits: {
      faults: parseFaults(
        'partition=0.051,message-duplicate=0.162,etcd-slow=0.248,etcd-set-back=0.136',
      ),
      jobs: 7,
    },
    why: 'A window of commands full of commits that are refused for ever kept back those that could be carried out.',
  },
];
