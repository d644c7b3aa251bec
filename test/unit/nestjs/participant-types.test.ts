/** What does not fit a contract does not compile: `tsc` fails where an error is missing here. */
import 'reflect-metadata';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { Participant } from '../../../src/nestjs.ts';
import { defineParticipant, type PrepareCall, vote } from '../../../src/participant.ts';

const inventory = defineParticipant({
  name: 'inventory',
  payload: z.object({ sku: z.string(), quantity: z.int().default(1) }),
  result: z.object({ left: z.int() }),
});

it('takes a class that fits its contract, and no other', () => {
  const ends = { commit: () => undefined, rollback: () => undefined };

  @Participant({ contract: inventory })
  class Fits {
    prepare({ payload }: PrepareCall<{ sku: string; quantity: number }>) {
      return vote.commit({ left: payload.quantity });
    }
    commit = ends.commit;
    rollback = ends.rollback;
  }

  // @ts-expect-error the payload is another one
  @Participant({ contract: inventory })
  class OtherPayload {
    prepare({ payload }: PrepareCall<{ id: number }>) {
      return vote.commit({ left: payload.id });
    }
    commit = ends.commit;
    rollback = ends.rollback;
  }

  // @ts-expect-error the result is another one
  @Participant({ contract: inventory })
  class OtherResult {
    prepare() {
      return vote.commit({ remaining: 1 });
    }
    commit = ends.commit;
    rollback = ends.rollback;
  }

  // @ts-expect-error there is no rollback
  @Participant({ name: 'no-rollback' })
  class NoRollback {
    prepare() {
      return vote.commit();
    }
    commit = ends.commit;
  }

  @Participant({ name: 'resource' })
  class WithResource {
    resource = Promise.resolve({ prepare: () => vote.commit(), ...ends });
  }

  expect([Fits, OtherPayload, OtherResult, NoRollback, WithResource]).toHaveLength(5);
});

it('says what is wrong in form where the class is read, with its name', () => {
  const decorate = (settings: unknown) => () => {
    class Inventory {}
    Participant(settings as { name: string })(Inventory as never);
  };
  expect(decorate({})).toThrow('class Inventory: Participant takes a name, or a contract');
  expect(decorate({ name: '' })).toThrow('class Inventory');
  expect(decorate({ name: 'inventory', contract: inventory })).toThrow('a name, or a contract');
  expect(decorate({ name: 'inventory', dataDir: './data' })).toThrow('dataDir');
  expect(decorate({ name: 'inventory', payload: {} })).toThrow('payload');
});
