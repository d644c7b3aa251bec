import { openMemoryLog } from '../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../src/decision-log/memory/store.ts';
import { never, realClock } from '../support/stores.ts';
import { decisionLogContract } from './decision-log.ts';

decisionLogContract(
  'memory',
  async () => {
    const store = new MemoryLogStore();
    const open = (node: string, takeover: boolean) =>
      openMemoryLog({ store, node, url: `ws://${node}`, takeover, clock: realClock });
    return {
      open: async (node) => open(node, false),
      usurp: (_log, shard) => open('usurper', true).campaign(shard, { signal: never }),
      dispose: async () => undefined,
    };
  },
  { severalNodes: true },
);
