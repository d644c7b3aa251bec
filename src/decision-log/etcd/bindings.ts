/**
 * Whose a participant's instances and shared resources are, in etcd.
 *
 * - What is asked in one turn shares a transaction: after an outage thousands come back at once.
 *   Those who came before cost one reading, and no write.
 * - Nothing is ever deleted, and a put compares absence. So a late copy of it changes nothing.
 * - An operator's put compares what was read before it (!): a late copy of it would else take back
 *   what was given to a third since.
 */
import type { Claim } from '../../core/claims.ts';
import { claimKey } from '../../core/retired.ts';
import type { DecisionLogError } from '../../ports/decision-log.ts';
import { assertMayRebind, bindRefusal } from '../bindings.ts';
import type { ReboundBoard } from '../boards.ts';
import { metaOf } from './meta.ts';
import { assertPart } from './part.ts';
import { assertNotSetBack } from './quarantine.ts';
import { decodeRebound, encodeRebound } from './records.ts';
import {
  absent,
  countFound,
  countRange,
  found,
  get,
  type KeyValue,
  modIs,
  put,
} from './requests.ts';
import type { EtcdStore } from './store.ts';

/** A comparison and a put of each, and etcd takes 128 of either. */
const maxClaims = 64;

interface Asked {
  readonly claim: Claim;
  readonly key: Buffer;
  /** Null: only asked for. */
  readonly identity: string | null;
  readonly answer: PromiseWithResolvers<string | null>;
}

type Batch = Map<string, Asked>;

export interface BindingsOptions {
  readonly store: EtcdStore;
  readonly board: ReboundBoard;
  /** Resolves when every node has heard of what was written at the revision. */
  readonly heardByAll: (revision: string) => Promise<void>;
}

export class Bindings {
  readonly #options: BindingsOptions;
  #batch: Batch = new Map();

  constructor(options: BindingsOptions) {
    this.#options = options;
  }

  async bind(claim: Claim, identity: string): Promise<string> {
    return (await this.#ask(claim, identity)) ?? identity;
  }

  async holderOf(claim: Claim): Promise<string | null> {
    return this.#ask(claim, null);
  }

  async rebind(claim: Claim, identity: string): Promise<void> {
    const { store, board, heardByAll } = this.#options;
    const { keys } = store;
    if (!board.has({ claim })) assertMayRebind(board.size);
    const bound = keys.boundOne(claim);
    for (;;) {
      const [now = null] = await this.#read([bound]);
      if (now === null) {
        const [refusal] = (await this.#refusals([claim])).values();
        if (refusal !== undefined) throw refusal;
      }
      const value = encodeRebound({ claim, identity });
      const result = await store.insist({
        compare: [now === null ? absent(bound) : modIs(bound, now.mod_revision)],
        success: [
          put(bound, value),
          put(keys.reboundOne(claim), value),
          put(keys.retirements, Buffer.of()),
        ],
      });
      if (result.succeeded) return heardByAll(result.header.revision);
      // Another came first, or our own first attempt did: the last one stands.
    }
  }

  #ask(claim: Claim, identity: string | null): Promise<string | null> {
    const key = this.#options.store.keys.boundOne(claim);
    const name = claimKey(claim);
    const same = this.#batch.get(name);
    if (same !== undefined && same.identity === identity) return same.answer.promise;
    // Etcd takes no two puts of one key: who asks for another identity begins the next.
    if (same !== undefined || this.#batch.size === maxClaims) this.#batch = new Map();
    const batch = this.#batch;
    const asked = { claim, key, identity, answer: Promise.withResolvers<string | null>() };
    batch.set(name, asked);
    if (batch.size === 1) queueMicrotask(() => this.#send(batch));
    return asked.answer.promise;
  }

  #send(batch: Batch): void {
    if (this.#batch === batch) this.#batch = new Map();
    const all = [...batch.values()];
    this.#settle(all).catch((error: unknown) => {
      for (const { answer } of all) answer.reject(error);
    });
  }

  /** Reads, and puts what is absent, until there is an answer to each. */
  async #settle(all: readonly Asked[]): Promise<void> {
    const { store } = this.#options;
    for (let open = all; open.length > 0; ) {
      const read = await this.#read(open.map(({ key }) => key));
      const absentOnes: (Asked & { readonly identity: string })[] = [];
      for (const [at, asked] of open.entries()) {
        const { identity, answer } = asked;
        const now = read[at] ?? null;
        if (now === null && identity !== null) absentOnes.push({ ...asked, identity });
        else settle(answer, () => now && decodeRebound(now.value).identity);
      }
      if (absentOnes.length === 0) return;
      const refusals = await this.#refusals(absentOnes.map(({ claim }) => claim));
      const unbound = absentOnes.filter(({ claim, answer }) => {
        const refusal = refusals.get(claim.participant);
        if (refusal !== undefined) answer.reject(refusal);
        return refusal === undefined;
      });
      if (unbound.length === 0) return;
      open = unbound;
      const { succeeded } = await store.insist({
        compare: unbound.map(({ key }) => absent(key)),
        success: unbound.map(({ claim, key, identity }) =>
          put(key, encodeRebound({ claim, identity })),
        ),
      });
      // Else one of them is there, be it from our own first attempt: each round has fewer to put.
      if (!succeeded) continue;
      for (const { identity, answer } of unbound) answer.resolve(identity);
      return;
    }
  }

  async #read(bound: readonly Buffer[]): Promise<(KeyValue | null)[]> {
    const { store } = this.#options;
    const { responses, header } = await store.insist({
      success: [get(store.keys.meta), ...bound.map((key) => get(key))],
    });
    const meta = metaOf(found(responses, 0));
    // Of the etcd of another cluster, or of other shards, the absence says nothing (!).
    assertPart(store, meta);
    store.guard(() => {
      const { generation } = meta;
      store.witness.adoptGeneration({ generation, revision: header.revision });
      assertNotSetBack(meta);
    });
    return bound.map((_, at) => found(responses, at + 1));
  }

  /** By participant. Nearly: those that are bound at the same moment are not counted. */
  async #refusals(claims: readonly Claim[]): Promise<ReadonlyMap<string, DecisionLogError>> {
    const { store } = this.#options;
    const each = [...new Map(claims.map((claim) => [claim.participant, claim])).values()];
    const { responses } = await store.insist({
      success: each.map((claim) => countRange(store.keys.boundOf(claim))),
    });
    return new Map(
      each.flatMap((claim, at) => {
        const refusal = bindRefusal(claim, countFound(responses, at));
        return refusal === null ? [] : [[claim.participant, refusal]];
      }),
    );
  }
}

/** One that cannot be read rejects alone. */
function settle<T>(answer: PromiseWithResolvers<T>, make: () => T): void {
  try {
    answer.resolve(make());
  } catch (error) {
    answer.reject(error);
  }
}
