/** What a participant and its callers agree on: its name, payload and result. */
import type { StandardSchema } from '../ports/schema.ts';

/** `Sent` and `Returned` go into the schemas; `Payload` and `Result` come out of them. */
export interface ParticipantContract<
  Name extends string,
  Payload,
  Sent = Payload,
  Result = unknown,
  Returned = Result,
> {
  /** The participant's name: what branches call it, and what it serves under. */
  readonly name: Name;
  /** What a payload must be. */
  readonly payload: StandardSchema<Payload, Sent>;
  /** What a result must be. Absent: not looked at. */
  readonly result?: StandardSchema<Result, Returned>;
  /** A branch for `transact` or `enlist`, its payload and result checked by the compiler. */
  branch(payload: Sent): ContractBranch<Sent, Result, Name>;
  /** The same under a name of its own, where the participant has several. */
  branch<const Branch extends string>(
    payload: Sent,
    branch: Branch,
  ): ContractBranch<Sent, Result, Name, Branch>;
}

/** A branch of a contract: a `BranchRequest` whose payload and result the compiler knows. */
export type ContractBranch<
  Payload,
  Result = unknown,
  Participant extends string = string,
  Branch extends string = Participant,
> = {
  readonly participant: Participant;
  readonly payload: Payload;
  /** For the compiler alone: never there. */
  readonly '~types'?: { readonly result: Result };
} & ([Participant] extends [Branch] ? { readonly branch?: Branch } : { readonly branch: Branch });

/** A contract of whatever types. */
type AnyContract = Omit<ParticipantContract<string, unknown>, 'branch'>;

/** A branch for a client that imports only the contract's type: `BranchOf<typeof inventory>`. */
export type BranchOf<
  Contract extends AnyContract,
  Branch extends string = Contract['name'],
> = ContractBranch<InputOf<Contract['payload']>, ResultOf<Contract>, Contract['name'], Branch>;

/** What a branch of the contract brings back. */
export type ResultOf<Contract extends AnyContract> = OutputOf<NonNullable<Contract['result']>>;

/** What goes into a schema. */
type InputOf<Schema> = Schema extends StandardSchema<unknown, infer Input> ? Input : never;
/** What comes out of a schema. */
type OutputOf<Schema> = Schema extends StandardSchema<infer Output, unknown> ? Output : never;

/**
 * Makes the contract of a participant, once, in a module that the service and its clients share.
 * Throws a TypeError for what is no schema.
 *
 * ```ts
 * export const inventory = defineParticipant({
 *   name: 'inventory',
 *   payload: z.object({ sku: z.string(), quantity: z.int().positive() }),
 *   result: z.object({ left: z.int() }),
 * });
 * // service: serveParticipant({ ...inventory, urls, dataDirectory, prepare, commit, rollback })
 * // client:  client.transact({ branches: [inventory.branch({ sku: 'lamp', quantity: 1 })] })
 * ```
 */
export function defineParticipant<
  const Name extends string,
  Payload,
  Sent = Payload,
  Result = unknown,
  Returned = Result,
>(given: {
  readonly name: Name;
  readonly payload: StandardSchema<Payload, Sent>;
  readonly result?: StandardSchema<Result, Returned>;
}): ParticipantContract<Name, Payload, Sent, Result, Returned> {
  const { name, payload: schema, result } = given;
  checkSchema(schema, 'payload');
  if (result !== undefined) checkSchema(result, 'result');
  return {
    name,
    payload: schema,
    ...(result === undefined ? {} : { result }),
    branch: <Branch extends string = Name>(payload: Sent, branch?: Branch) =>
      ({
        participant: name,
        ...(branch === undefined ? {} : { branch }),
        payload,
      }) as unknown as ContractBranch<Sent, Result, Name, Branch>,
  };
}

function checkSchema(schema: StandardSchema<unknown, unknown> | undefined, what: string): void {
  if (typeof schema?.['~standard']?.validate === 'function') return;
  throw new TypeError(
    `${what} must be a schema by the Standard Schema interface, such as one of zod, valibot or arktype`,
  );
}
