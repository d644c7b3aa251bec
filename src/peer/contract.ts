/** What a participant's callers and the participant itself agree on: its name, and what a payload is. */
import type { StandardSchema } from '../ports/schema.ts';

export interface ParticipantContract<Payload> {
  readonly name: string;
  readonly payload: StandardSchema<Payload>;
  /** A branch for `transact` or `enlist`: the compiler holds its payload against the schema. */
  branch(payload: Payload, branch?: string): ContractBranch<Payload>;
}

export interface ContractBranch<Payload> {
  readonly participant: string;
  readonly branch?: string;
  readonly payload: Payload;
}

/**
 * Written once, in a module that the service and its clients share:
 *
 * ```ts
 * export const inventory = defineParticipant({
 *   name: 'inventory',
 *   payload: z.object({ sku: z.string(), quantity: z.int().positive() }),
 * });
 * // the service:  serveParticipant({ ...inventory, urls, dataDirectory, prepare, commit, rollback })
 * // a client:     client.transact({ branches: [inventory.branch({ sku: 'lamp', quantity: 1 })] })
 * ```
 */
export function defineParticipant<Payload>(given: {
  readonly name: string;
  readonly payload: StandardSchema<Payload>;
}): ParticipantContract<Payload> {
  const { name, payload: schema } = given;
  if (typeof schema?.['~standard']?.validate !== 'function') {
    throw new TypeError(
      'payload must be a schema by the Standard Schema interface, such as one of zod, valibot or arktype',
    );
  }
  return {
    name,
    payload: schema,
    branch: (payload, branch) => ({
      participant: name,
      ...(branch === undefined ? {} : { branch }),
      payload,
    }),
  };
}
