/** A real etcd and a simulated one, each below a prefix of its own, given the same steps. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd3 } from 'etcd3';
import { expect } from 'vitest';
import type { EtcdCopy } from '../../../simulation/etcd/server.ts';
import { SimulatedEtcd } from '../simulated-etcd.ts';
import { EtcdSide } from './side.ts';
import type { Step } from './steps.ts';

let prefixes = 0;

/**
 * Every answer, what is there in the end, and what the watches told must be alike. `answered` hears
 * of each answer, and `prepare` may make the simulated one another.
 */
export async function expectAlike(
  real: Etcd3,
  steps: readonly Step[],
  options: {
    readonly prepare?: (simulated: SimulatedEtcd) => void;
    readonly answered?: (step: Step, answer: unknown) => void;
    /** What of an answer must be alike. Default: all of it. */
    readonly compared?: (step: Step, answer: unknown) => unknown;
    /** How the real one is set back. */
    readonly realCopy?: { copy(): void; setBack(): Promise<void> };
  } = {},
): Promise<void> {
  prefixes += 1;
  const prefix = `/${prefixes}/`;
  const { compared = (_, answer) => answer } = options;
  const simulated = new SimulatedEtcd();
  options.prepare?.(simulated);
  const copies: EtcdCopy[] = [];
  const sides = [
    await EtcdSide.begin({
      stub: real,
      prefix,
      during: (work) => work(),
      sleep,
      ...options.realCopy,
    }),
    await EtcdSide.begin({
      stub: simulated.stub(),
      prefix,
      during: (work) => simulated.during(work),
      sleep: (ms) => simulated.sleep(ms),
      copy: () => void copies.push(simulated.server.snapshot()),
      setBack: async () => {
        for (const copy of copies) simulated.server.restore(copy);
      },
    }),
  ] as const;
  try {
    for (const [index, step] of steps.entries()) {
      const [expected, answer] = [await sides[0].answer(step), await sides[1].answer(step)];
      const what = `step ${index}, ${step.do}`;
      expect(compared(step, answer), what).toEqual(compared(step, expected));
      options.answered?.(step, expected);
    }
    const watched = steps.flatMap((step) => (step.do === 'watch' ? step.spans : []));
    const keys = [...new Set(watched.map(({ from }) => from))];
    const [expected, answer] = [await sides[0].end(keys), await sides[1].end(keys)];
    expect(answer, 'what is there in the end, and what the watches told').toEqual(expected);
  } finally {
    for (const side of sides) await side.close();
    simulated.close();
  }
}
