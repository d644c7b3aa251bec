/**
 * Whose a participant's instances and shared resources are, in etcd.
 *
 * - What is asked in one turn shares a transaction: after an outage thousands come back at once.
 *   Those who came before cost one reading, and no write.
 * - What one hello names is put in one transaction or not at all: who is refused one of them takes
 *   no place for the other, be it refused to it meanwhile.
 * - A put compares absence: of the binding, and of the retirement that frees it (!). What was freed
 *   is never bound again, whatever was read before, so a late copy of it changes nothing.
 * - Batches of this node count and put one after the other, each with what it adds itself. Near its
 *   quota the put compares that nothing became the identity's since it was counted, at another
 *   node: no one gets more by many hellos at once, wherever they are said.
 * - What is counted is read together with the bindings asked for (!): one that another batch, or
 *   another node, has put since would else be counted against itself, and refused.
 * - An operator's put compares what was read before it (!): a late copy of it would else take back
 *   what was given to a third since.
 */
import type { Claim } from '../../core/claims.ts';
import { claimKey } from '../../core/retired.ts';
import { thrownText } from '../../core/thrown.ts';
import { type BindRefusedError, DecisionLogError } from '../../ports/decision-log.ts';
import { assertMayRebind, bindRefusal, retiredRefusal } from '../bindings.ts';
import type { ReboundBoard } from '../boards.ts';
import { metaOf } from './meta.ts';
import { assertPart } from './part.ts';
import { assertNotSetBack } from './quarantine.ts';
import { decodeRebound, encodeRebound } from './records.ts';
import {
  absent,
  type Compare,
  countFound,
  countRange,
  found,
  get,
  type KeyValue,
  modIs,
  noneNewerIn,
  type Op,
  type OpResult,
  put,
  remove,
} from './requests.ts';
import type { EtcdStore } from './store.ts';

/** Three comparisons, two puts or three readings of each, and etcd takes 128 of any. */
const maxClaims = 42;
/** What a hundred nodes put at the same moment: further from its quota no one can pass it. */
const margin = 100 * maxClaims;

interface Named {
  readonly claim: Claim;
  readonly key: Buffer;
}

interface Asked {
  readonly named: readonly Named[];
  /** Null: only asked for. */
  readonly identity: string | null;
  /** How many may be the identity's. */
  readonly max: number;
  readonly answer: PromiseWithResolvers<Holders>;
}

type Holders = readonly (string | null)[];

interface Unbound extends Asked {
  readonly identity: string;
}

class Batch {
  readonly asked: Map<string, Asked> = new Map();
  /** For whom each claim is asked for. */
  readonly #identities = new Map<string, string | null>();
  #size = 0;

  /** Etcd takes no two puts of one key: who asks for another identity begins the next batch. */
  takes(claims: readonly Claim[], identity: string | null): boolean {
    if (this.#size + claims.length > maxClaims) return false;
    return claims.every((claim) => {
      const before = this.#identities.get(claimKey(claim));
      return before === undefined || before === identity;
    });
  }

  add(name: string, asked: Asked): void {
    this.asked.set(name, asked);
    this.#size += asked.named.length;
    for (const { claim } of asked.named) this.#identities.set(claimKey(claim), asked.identity);
  }
}

/** What is to be done for one who asked, if it has no answer yet. */
interface Judged {
  readonly refusal: BindRefusedError | null;
  readonly now: readonly (KeyValue | null)[];
  /** No one's yet, and not put for one before it. */
  readonly free: readonly Named[];
}

export interface BindingsOptions {
  readonly store: EtcdStore;
  readonly board: ReboundBoard;
  /** Resolves when every node has heard of what was written at the revision. */
  readonly heardByAll: (revision: string) => Promise<void>;
}

export class Bindings {
  readonly #options: BindingsOptions;
  #batch = new Batch();
  /** Of what has to be put. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: BindingsOptions) {
    this.#options = options;
  }

  async bind(claim: Claim, identity: string, max?: number): Promise<string> {
    return (await this.bindAll([claim], identity, max))[0] ?? identity;
  }

  bindAll(
    claims: readonly Claim[],
    identity: string,
    max: number = Number.POSITIVE_INFINITY,
  ): Promise<Holders> {
    return this.#ask(claims, identity, max);
  }

  async holderOf(claim: Claim): Promise<string | null> {
    return (await this.#ask([claim], null, 0))[0] ?? null;
  }

  async rebind(claim: Claim, identity: string): Promise<void> {
    const { store, board, heardByAll } = this.#options;
    const { keys } = store;
    if (!board.has({ claim })) assertMayRebind(board.size);
    const bound = keys.boundOne(claim);
    for (;;) {
      const named = [{ claim, key: bound }];
      const { judged } = await this.#judged([{ named, identity, max: Number.POSITIVE_INFINITY }]);
      const refusal = judged[0]?.refusal ?? null;
      if (refusal !== null) throw refusal;
      const now = judged[0]?.now[0] ?? null;
      const value = encodeRebound({ claim, identity });
      const former = now === null ? identity : decodeRebound(now.value).identity;
      const written = store.insist({
        compare: [
          now === null ? absent(bound) : modIs(bound, now.mod_revision),
          absent(keys.retiredOne(claim)),
        ],
        success: [
          put(bound, value),
          // Etcd takes no two changes of one key.
          ...(former === identity ? [] : [remove(keys.heldOne(claim, former))]),
          put(keys.heldOne(claim, identity), Buffer.of()),
          put(keys.reboundOne(claim), value),
          put(keys.retirements, Buffer.of()),
        ],
      });
      const result = await written.catch((cause: unknown) => {
        store.ended.throwIfAborted();
        const text = `It may be given to it or not: do it again. ${thrownText(cause)}`;
        throw new DecisionLogError(text, { cause });
      });
      if (result.succeeded) return heardByAll(result.header.revision);
      // Another came first, or our own first attempt did: the last one stands.
    }
  }

  async #ask(claims: readonly Claim[], identity: string | null, max: number): Promise<Holders> {
    const { keys } = this.#options.store;
    const named = claims.map((claim) => ({ claim, key: keys.boundOne(claim) }));
    const name = JSON.stringify([claims.map(claimKey), identity, max]);
    const same = this.#batch.asked.get(name);
    if (same !== undefined) return same.answer.promise;
    if (!this.#batch.takes(claims, identity)) this.#batch = new Batch();
    const batch = this.#batch;
    const asked = { named, identity, max, answer: Promise.withResolvers<Holders>() };
    batch.add(name, asked);
    if (batch.asked.size === 1) queueMicrotask(() => this.#send(batch));
    return asked.answer.promise;
  }

  #send(batch: Batch): void {
    if (this.#batch === batch) this.#batch = new Batch();
    const all = [...batch.asked.values()];
    this.#settle(all).catch((error: unknown) => {
      for (const { answer } of all) answer.reject(error);
    });
  }

  /** Reads, and puts what is absent, until there is an answer to each. */
  async #settle(all: readonly Asked[]): Promise<void> {
    const unbound = await this.#unbound(all);
    if (unbound.length === 0) return;
    const turn = this.#turn.then(() => this.#put(unbound));
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  /** Answers those that are there, or only asked for; returns the others. */
  async #unbound(all: readonly Asked[]): Promise<Unbound[]> {
    const keys = all.flatMap(({ named }) => named.map(({ key }) => get(key)));
    const { responses } = await this.#read(keys);
    let at = 0;
    return all.flatMap((asked): Unbound[] => {
      const now = asked.named.map(() => found(responses, at++));
      const { identity } = asked;
      return isAnswered(asked, now) || identity === null ? [] : [{ ...asked, identity }];
    });
  }

  /** In its turn. */
  async #put(all: readonly Unbound[]): Promise<void> {
    const { store } = this.#options;
    const { keys } = store;
    let open = all;
    for (;;) {
      const { judged, counted } = await this.#judged(open);
      const left = open.flatMap((asked, at) => {
        const one = judged[at];
        if (one === undefined) throw new Error('There are fewer judgements than questions.');
        if (one.refusal !== null) asked.answer.reject(one.refusal);
        else if (!isAnswered(asked, one.now)) return [{ asked, ...one }];
        return [];
      });
      open = left.map(({ asked }) => asked);
      if (open.length === 0) return;
      const { succeeded } = await store.insist({
        compare: [
          ...left.flatMap(({ asked, now, free }) => [
            ...free.flatMap(({ claim, key }) => [absent(key), absent(keys.retiredOne(claim))]),
            // What it holds already must be its own still.
            ...asked.named.flatMap(({ key }, part) => {
              const held = now[part] ?? null;
              return held === null ? [] : [modIs(key, held.mod_revision)];
            }),
          ]),
          ...counted,
        ],
        success: left.flatMap(({ asked: { identity }, free }) =>
          free.flatMap(({ claim, key }) => [
            put(key, encodeRebound({ claim, identity })),
            put(keys.heldOne(claim, identity), Buffer.of()),
          ]),
        ),
      });
      if (succeeded) {
        for (const { named, identity, answer } of open) answer.resolve(named.map(() => identity));
        return;
      }
      // One of them is there, be it from our own first attempt; or the identity has more by now.
    }
  }

  /** At one revision. */
  async #read(
    ops: readonly Op[],
  ): Promise<{ readonly responses: readonly OpResult[]; readonly revision: string }> {
    const { store } = this.#options;
    const { responses, header } = await store.insist({ success: [get(store.keys.meta), ...ops] });
    const meta = metaOf(found(responses, 0));
    // Of the etcd of another cluster, or of other shards, the absence says nothing (!).
    assertPart(store, meta);
    store.guard(() => {
      const { generation } = meta;
      store.witness.adoptGeneration({ generation, revision: header.revision });
      assertNotSetBack(meta);
    });
    return { responses: responses.slice(1), revision: header.revision };
  }

  /**
   * Of each, with those before it: what is bound, or why it can have none. `counted`: that those
   * near their quotas have no more since.
   */
  async #judged(
    asked: readonly Pick<Unbound, 'named' | 'max' | 'identity'>[],
  ): Promise<{ readonly judged: readonly Judged[]; readonly counted: readonly Compare[] }> {
    const { store } = this.#options;
    const { keys } = store;
    const parts = asked.flatMap(({ named, identity }) =>
      named.map((one) => ({ ...one, identity })),
    );
    const [retired, now] = await Promise.all([
      store.insist({ success: parts.map(({ claim }) => get(keys.retiredOne(claim))) }),
      this.#read(
        parts.flatMap(({ claim, key, identity }) => [
          get(key),
          countRange(keys.boundOf(claim)),
          countRange(keys.heldBy(claim, identity)),
        ]),
      ),
    ]);
    const taken = new Set<string>();
    const added = new Map<string, number>();
    const counted = new Map<string, Compare>();
    let next = 0;
    const judged = asked.map(({ named, max, identity }): Judged => {
      const first = next;
      next += named.length;
      const bindings = named.map((_, part) => found(now.responses, 3 * (first + part)));
      const gone = named.find((_, part) => found(retired.responses, first + part) !== null);
      if (gone !== undefined)
        return { refusal: retiredRefusal(gone.claim), now: bindings, free: [] };
      // Who has one already needs no room for another.
      const free = named.filter(
        ({ claim }, part) => bindings[part] === null && !taken.has(claimKey(claim)),
      );
      const claim = free[0]?.claim;
      const isOthers = bindings.some((binding) => binding !== null && holder(binding) !== identity);
      if (claim === undefined || isOthers) return { refusal: null, now: bindings, free: [] };
      const all = JSON.stringify([claim.participant]);
      const own = JSON.stringify([claim.participant, identity]);
      const ofIdentity = countFound(now.responses, 3 * first + 2) + (added.get(own) ?? 0);
      const refusal = bindRefusal(claim, {
        wanted: free.length,
        bound: countFound(now.responses, 3 * first + 1) + (added.get(all) ?? 0),
        held: ofIdentity,
        max,
      });
      if (refusal !== null) return { refusal, now: bindings, free: [] };
      for (const key of [all, own]) added.set(key, (added.get(key) ?? 0) + free.length);
      for (const one of free) taken.add(claimKey(one.claim));
      if (ofIdentity + margin > max)
        counted.set(own, noneNewerIn(keys.heldBy(claim, identity), now.revision));
      return { refusal: null, now: bindings, free };
    });
    return { judged, counted: [...counted.values()] };
  }
}

/** Null: it cannot be read. */
function holder({ value }: KeyValue): string | null {
  try {
    return decodeRebound(value).identity;
  } catch {
    return null;
  }
}

/**
 * Answers where nothing is to be put: all are bound, or one of them is another's, or it was only
 * asked. One that cannot be read rejects alone.
 */
function isAnswered(
  { identity, answer }: Pick<Asked, 'identity' | 'answer'>,
  now: readonly (KeyValue | null)[],
): boolean {
  try {
    const holders = now.map((one) => one && decodeRebound(one.value).identity);
    const isOthers = holders.some((one) => one !== null && one !== identity);
    if (identity !== null && !isOthers && holders.includes(null)) return false;
    answer.resolve(holders);
  } catch (error) {
    answer.reject(error);
  }
  return true;
}
