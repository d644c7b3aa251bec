/** A shop's store with branches that write what their payload says, for hosted-resource.ts. */
import { type ShopService, serviceResource } from '../../cluster/shop/service.ts';
import { VersionedStore } from '../../cluster/shop/store.ts';
import { systemClock } from '../../src/system/clock.ts';
import type { Hosted } from './hosted-resource.ts';

interface Wanted {
  readonly writes: Readonly<Record<string, string>>;
  readonly refuse: boolean;
}

export async function open({ directory }: { readonly directory: string }): Promise<Hosted> {
  const store = await VersionedStore.open({ directory, seed: [], clock: systemClock });
  const resource = serviceResource(service, store);
  return {
    resource: {
      prepare: async (call) => resource.prepare(call),
      commit: async (call) => resource.commit(call),
      rollback: async (call) => resource.rollback(call),
      inDoubt: async () => store.inDoubt(),
    },
    calls: { visible: (key: string) => store.get(key)?.value ?? null },
  };
}

const service: ShopService = {
  name: 'order',
  seed: [],
  work(payload) {
    const { writes, refuse } = JSON.parse(payload.text('json', 10_000)) as Wanted;
    return {
      keys: Object.keys(writes),
      versions: new Map(),
      plan: () =>
        refuse
          ? { refused: { message: 'Asked to refuse.' } }
          : { writes: new Map(Object.entries(writes)) },
    };
  },
};
