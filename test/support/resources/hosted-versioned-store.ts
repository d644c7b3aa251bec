/** A versioned store whose branches are data or a refusal, for hosted-resource.ts. */
import { vote } from '../../../src/participant.ts';
import { openVersionedStore } from '../../../src/versioned-store.ts';
import type { Hosted } from './hosted-resource.ts';

type Wanted = { readonly writes: Readonly<Record<string, string>> } | { readonly refuse: string };

export async function open({ directory }: { readonly directory: string }): Promise<Hosted> {
  const store = await openVersionedStore({ dataDirectory: directory });
  const resource = store.resource<Wanted, unknown>(async (tx, { payload }) => {
    if ('refuse' in payload) {
      await tx.write(payload.refuse, 'never');
      return vote.abort('Asked to refuse.');
    }
    for (const key of Object.keys(payload.writes).sort()) await tx.write(key, payload.writes[key]);
    return vote.commit();
  });
  return {
    resource: {
      prepare: async (call) => resource.prepare(call as never),
      commit: async (call) => resource.commit(call as never),
      rollback: async (call) => resource.rollback(call as never),
      inDoubt: async () => store.inDoubt(),
    },
    calls: { visible: (key: string) => store.read(key)?.value ?? null },
  };
}
