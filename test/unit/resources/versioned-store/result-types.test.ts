/** What the compiler makes of a store's results: `tsc` fails where an error is missing here. */
import { expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  defineParticipant,
  type Resource,
  serveParticipant,
  vote,
} from '../../../../src/participant.ts';
import type { VersionedStore, WrittenVersions } from '../../../../src/versioned-store.ts';

interface Wanted {
  readonly sku: string;
}
interface Left {
  readonly left: number;
}

const inventory = defineParticipant({
  name: 'inventory',
  payload: z.object({ sku: z.string() }),
  result: z.object({ left: z.int() }),
});

/** Only compiled. */
function compiled(work: (store: VersionedStore) => void): void {
  expect(work).toBeTypeOf('function');
}
const served = { urls: ['127.0.0.1:1'], dataDirectory: './never' };

it('of rules that always give one fit a contract', () => {
  compiled((store) => {
    const resource = store.resource<Wanted, Left>(async (tx, { payload }) => {
      const left = ((await tx.readForUpdate<number>(payload.sku))?.value ?? 0) - 1;
      if (left < 0) return vote.abort('None left.');
      return left === 0 ? vote.readonly({ left }) : vote.commit({ left });
    });
    expectTypeOf(resource).toEqualTypeOf<Resource<Wanted, Left>>();
    void serveParticipant({ ...inventory, ...served, resource });
  });
});

it('of rules that may give none are versions too, which do not fit one', () => {
  compiled((store) => {
    const resource = store.resource<Wanted, Left>(async (_tx, { payload }) =>
      payload.sku === '' ? vote.commit() : vote.commit({ left: 1 }),
    );
    expectTypeOf(resource).toEqualTypeOf<Resource<Wanted, Left | WrittenVersions>>();
    // @ts-expect-error versions are no `left`
    void serveParticipant({ ...inventory, ...served, resource });
    const empty = store.resource<Wanted, Left | undefined>(() => vote.commit(undefined));
    // @ts-expect-error the same
    void serveParticipant({ ...inventory, ...served, resource: empty });
  });
});

it('of another kind are refused', () => {
  compiled((store) => {
    // @ts-expect-error the result is another one
    store.resource<Wanted, Left>(() => vote.commit({ remaining: 1 }));
  });
});
