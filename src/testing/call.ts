/** Drives a participant's prepare, commit and rollback without a coordinator. */
import type { VoteReason } from '../core/messages.ts';
import { isTxid, makeEpoch, placeOf, randomDigits, type Txid } from '../core/txid.ts';
import { reasonOf } from '../participant/prepare-failure.ts';
import { checkedResult } from '../participant/results.ts';
import { behindSchemas, type Schemas } from '../participant/schema.ts';
import type { HeldBranch, Resource } from '../ports/resource.ts';
import type { StandardSchema } from '../ports/schema.ts';
import { systemRandom } from '../system/random.ts';
import { widestLimits } from '../wire/limits.ts';
import { sendable } from '../wire/sendable.ts';

/** A resource, or all that `serveParticipant` takes: of that only the methods and the schemas. */
export type Callable<Payload, Result> =
  | Resource<Payload, Result>
  | { readonly resource: Resource<Payload, Result> };

/** What is common to the calls of one branch. */
export interface CallBranchOptions {
  /** Default: a new one. */
  readonly txid?: Txid;
  /** Default `branch`. */
  readonly branch?: string;
}

/** Options of a prepare. */
export interface CallPrepareOptions extends CallBranchOptions {
  /** Fires as the transaction is rolled back meanwhile. */
  readonly signal?: AbortSignal;
  /** What `prepare` is told. Default 10,000. */
  readonly timeoutMs?: number;
}

/** How often. */
export interface RepeatOptions {
  /** Default 1. More: as after a crash between the call and its record. */
  readonly times?: number;
}

/** A branch that `prepare` was called for. */
export interface CalledBranch<Result> {
  /** Its transaction. */
  readonly txid: Txid;
  /** Its name. */
  readonly branch: string;
  /** As a coordinator would count it: what threw is `abort`. */
  readonly vote: 'commit' | 'readonly' | 'abort';
  /** As the client would get it; absent with `abort`. */
  readonly result?: Result;
  /** Why, of an `abort`. */
  readonly reason?: VoteReason;
  /** What `prepare` threw. It was rolled back then, as the SDK does. */
  readonly error?: unknown;
  /** Calls commit. Throws where none could follow, because the vote was not `commit`. */
  commit(options?: RepeatOptions): Promise<void>;
  /** Calls rollback. */
  rollback(options?: RepeatOptions): Promise<void>;
}

/** Made by `call`. */
export interface Called<Sent, Result> {
  /** Calls prepare, behind the schemas. */
  prepare(payload: Sent, options?: CallPrepareOptions): Promise<CalledBranch<Result>>;
  /** A commit without a prepare: as after a restart, where the journal has it. */
  commit(options: Required<CallBranchOptions> & { readonly payload?: Sent }): Promise<void>;
  /** A rollback without a prepare: it may come for what the participant never heard of. */
  rollback(options?: CallBranchOptions & { readonly payload?: Sent }): Promise<void>;
  /** What it holds prepared. Throws where it has no `inDoubt`. */
  inDoubt(): Promise<readonly HeldBranch[]>;
}

/**
 * The participant's methods, to be called one by one:
 *
 * ```ts
 * const branch = await call({ ...inventory, resource }).prepare({ sku: 'lamp', quantity: 1 });
 * await branch.commit({ times: 2 });
 * ```
 */
export function call<Payload, Sent, Result>(
  participant: Callable<Payload, NoInfer<Result>> & {
    readonly payload: StandardSchema<Payload, Sent>;
    readonly result?: StandardSchema<unknown, Result>;
  },
): Called<Sent, Result>;
/** Of one without a schema: the payload is typed by its methods. */
export function call<Payload, Result>(
  participant: Callable<Payload, Result>,
): Called<Payload, Result>;
export function call(
  given: Callable<unknown, unknown> & Schemas<unknown, unknown>,
): Called<unknown, unknown> {
  const bare = 'resource' in given ? given.resource : given;
  for (const method of ['prepare', 'commit', 'rollback'] as const) {
    if (typeof bare?.[method] === 'function') continue;
    throw new TypeError(
      `call takes a resource, or what serveParticipant takes: it has no method ${method}.`,
    );
  }
  return new Caller(behindSchemas(bare, given));
}

let sequence = 0;

/** Of no cluster: nothing but tests sees it. */
export function newTxid(): Txid {
  sequence += 1;
  const place = placeOf({ shard: 0, epoch: makeEpoch({ generation: 0, revision: 1n }), sequence });
  const txid = `${place}${systemRandom.token(randomDigits)}`;
  if (!isTxid(txid)) throw new Error(`${txid} is no txid.`);
  return txid;
}

class Caller implements Called<unknown, unknown> {
  readonly #resource: Resource;
  readonly #instance: string = systemRandom.token(16);
  #begun: Promise<void> | null = null;

  constructor(resource: Resource) {
    this.#resource = resource;
  }

  async prepare(
    payload: unknown,
    options: CallPrepareOptions = {},
  ): Promise<CalledBranch<unknown>> {
    const { signal = new AbortController().signal, timeoutMs = 10_000 } = options;
    const ref = refOf(options);
    const sent = sendable(payload, 'the payload');
    await this.#begin();
    const state: Reached = { vote: 'abort' };
    try {
      const returned = await this.#resource.prepare({
        ...ref,
        payload: sent,
        instance: this.#instance,
        signal,
        timeoutMs,
        working: () => undefined,
      });
      Object.assign(state, voteOf(checkedResult(returned, widestLimits)));
    } catch (error) {
      Object.assign(state, { error, reason: reasonOf(error) });
    }
    if ('error' in state) await this.#end('rollback', ref, sent);
    return {
      ...ref,
      ...state,
      commit: async ({ times = 1 } = {}) => {
        if (state.vote !== 'commit') {
          throw new Error(
            `No commit follows a vote ${state.vote}${state.reason === undefined ? '' : `: ${state.reason.message}`}`,
          );
        }
        for (let each = 0; each < times; each += 1) await this.#end('commit', ref, sent);
      },
      rollback: async ({ times = 1 } = {}) => {
        for (let each = 0; each < times; each += 1) await this.#end('rollback', ref, sent);
      },
    };
  }

  async commit({
    payload,
    ...ref
  }: Parameters<Called<unknown, unknown>['commit']>[0]): Promise<void> {
    await this.#end('commit', refOf(ref), payload);
  }

  async rollback({
    payload,
    ...ref
  }: CallBranchOptions & { readonly payload?: unknown } = {}): Promise<void> {
    await this.#end('rollback', refOf(ref), payload);
  }

  async inDoubt(): Promise<readonly HeldBranch[]> {
    const { inDoubt } = this.#resource;
    if (inDoubt === undefined) throw new TypeError('The participant has no method inDoubt.');
    await this.#begin();
    return [...(await inDoubt.call(this.#resource, { instance: this.#instance }))];
  }

  async #end(how: 'commit' | 'rollback', ref: Ref, payload: unknown): Promise<void> {
    await this.#begin();
    await this.#resource[how]({ ...ref, payload, instance: this.#instance });
  }

  #begin(): Promise<void> {
    this.#begun ??= (async () => this.#resource.begin?.({ instance: this.#instance }))();
    return this.#begun;
  }
}

interface Ref {
  readonly txid: Txid;
  readonly branch: string;
}

interface Reached {
  vote: 'commit' | 'readonly' | 'abort';
  result?: unknown;
  reason?: VoteReason;
  error?: unknown;
}

function refOf({ txid = newTxid(), branch = 'branch' }: CallBranchOptions): Ref {
  return { txid, branch };
}

/** What is no vote, or brings back what cannot be sent, counts as thrown. */
function voteOf(prepared: ReturnType<typeof checkedResult>): Reached {
  if (prepared.vote === 'abort') return prepared;
  if (prepared.vote === 'threw') {
    return {
      vote: 'abort',
      reason: prepared.reason,
      error: new TypeError(prepared.reason.message),
    };
  }
  const { vote, result } = prepared;
  return { vote, ...(result === undefined ? {} : { result }) };
}
