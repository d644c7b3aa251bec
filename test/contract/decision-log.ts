/**
 * The contract of the DecisionLog port (src/ports/decision-log.ts), run on every implementation. An
 * implementation brings a fixture: one store, on which nodes open logs.
 */
import { afterEach, beforeEach, describe } from 'vitest';
import type { DecisionLogFixture } from '../support/logs/log-fixtures.ts';
import { batching } from './decision-log/batching.ts';
import { binding, bindingAmongSeveral } from './decision-log/binding.ts';
import { collecting } from './decision-log/collecting.ts';
import { deciding } from './decision-log/deciding.ts';
import { leading } from './decision-log/leading.ts';
import { reading } from './decision-log/reading.ts';
import { retiring, retiringAmongSeveral } from './decision-log/retiring.ts';
import { LogRig } from './decision-log/rig.ts';
import { settling } from './decision-log/settling.ts';
import { severalNodesAtOnce } from './decision-log/several-nodes.ts';

export function decisionLogContract(
  name: string,
  make: () => Promise<DecisionLogFixture>,
  {
    severalNodes,
    flushes,
  }: {
    /** Whether several nodes may have the store open at once. */
    readonly severalNodes: boolean;
    /** Whether a write takes time. */
    readonly flushes: boolean;
  },
): void {
  describe(`decision log contract: ${name}`, () => {
    const rig = new LogRig();
    beforeEach(() => rig.begin(make));
    afterEach(() => rig.end());

    deciding(rig);
    batching(rig, { flushes });
    collecting(rig);
    reading(rig);
    leading(rig);
    settling(rig);
    retiring(rig);
    binding(rig);
    if (!severalNodes) return;
    severalNodesAtOnce(rig);
    retiringAmongSeveral(rig);
    bindingAmongSeveral(rig);
  });
}
