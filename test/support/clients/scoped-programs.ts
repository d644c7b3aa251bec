/**
 * Programs of nested transactions by seeded chance, and a model that is handed down by hand beside
 * them: at each point it knows which transaction the code's caller was in.
 */
import { EventEmitter } from 'node:events';
import {
  type Client,
  currentTransaction,
  isVerdictError,
  type Propagation,
  type Transaction,
} from '../../../src/client.ts';
import type { Random } from '../../../src/ports/random.ts';
import { pause } from '../process/child.ts';

/** `done`: it does not tell which of the others that are no abort. */
export type Caller = (
  client: Client,
  propagation: Propagation,
  work: (tx: Transaction | null) => Promise<void>,
) => Promise<'committed' | 'aborted' | 'joined' | 'none' | 'done'>;

interface Given {
  readonly random: Random;
  readonly clients: readonly Client[];
  readonly participants: readonly string[];
  readonly call: Caller;
}

/** A transaction, as the model has it. */
interface Frame {
  readonly client: Client;
  tx: Transaction | null;
  isOver: boolean;
  /** One that joined it threw, or was still running at its end. */
  mustAbort: boolean;
  joined: number;
}

/** What is in force where the code was called; null: hidden. */
interface Place {
  readonly latest: Frame | null;
  readonly of: ReadonlyMap<Client, Frame | null>;
}

export interface Enlisted {
  readonly tag: string;
  readonly txid: string;
  ended?: 'resolved' | 'rejected';
}

const outside: Place = { latest: null, of: new Map() };
const propagations: readonly Propagation[] = [
  'required',
  'required',
  'required',
  'requires-new',
  'mandatory',
  'supports',
  'not-supported',
  'never',
];

class Whim extends Error {}

export class ScopedPrograms {
  readonly enlisted: Enlisted[] = [];
  readonly wrong: string[] = [];
  /** By txid: what the outermost was told. */
  readonly told: Map<string, string> = new Map();
  /** Transactions that must not have committed, by what forbids it. */
  readonly mustAbort: Map<string, string> = new Map();
  readonly #given: Given;
  readonly #emitter = new EventEmitter();
  readonly #left = new Set<Promise<void>>();
  readonly #closed = new Set<Client>();
  #serial = 0;

  constructor(given: Given) {
    this.#given = given;
    this.#emitter.setMaxListeners(0);
  }

  /** One program from outside of every transaction, with all that it leaves behind. */
  async run(): Promise<void> {
    await this.#part(outside, 0).catch(() => undefined);
    while (this.#left.size > 0) await Promise.allSettled(this.#left);
  }

  /** In the midst of what the others do with it. */
  async close(client: Client): Promise<void> {
    this.#closed.add(client);
    await client.close();
  }

  /** The client's end is that of its transactions, some turns later, though their functions run. */
  #mayBeOver(frame: Frame | null | undefined): boolean {
    return frame != null && (frame.isOver || this.#closed.has(frame.client));
  }

  #draw<Value>(values: readonly Value[]): Value {
    const value = values[Math.floor(this.#given.random.fraction() * values.length)];
    if (value === undefined) throw new RangeError('There is nothing to draw from.');
    return value;
  }

  #is(chance: number): boolean {
    return this.#given.random.fraction() < chance;
  }

  async #part(place: Place, depth: number): Promise<void> {
    for (let steps = 1 + Math.floor(this.#given.random.fraction() * 4); steps > 0; steps -= 1) {
      if (this.#is(0.3)) await pause(this.#given.random.fraction() * 8);
      await this.#step(place, depth);
    }
    if (this.#is(0.08)) throw new Whim('A whim.');
  }

  async #step(place: Place, depth: number): Promise<void> {
    const nested = (): Promise<void> =>
      depth > 3 ? this.#enlist(place) : this.#nested(place, depth + 1);
    const draw = this.#given.random.fraction();
    if (draw < 0.35) return this.#enlist(place);
    if (draw < 0.6) return nested();
    if (draw < 0.68) return nested().catch(() => undefined);
    if (draw < 0.76) {
      await Promise.all([nested(), nested(), this.#enlist(place)]);
      return;
    }
    if (draw < 0.8) return Promise.race([nested(), pause(3)]);
    if (draw < 0.85) return this.#forget(nested());
    if (draw < 0.9) {
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(() => resolve(this.#part(place, depth + 2)), this.#given.random.fraction() * 12);
      return this.#forget(promise);
    }
    if (draw < 0.95) return this.#emit(place);
    // The generator's body belongs to whoever asks for the next.
    const self = this;
    const generator = (async function* () {
      for (let turn = 0; turn < 2; turn += 1) yield (at: Place) => self.#enlist(at);
    })();
    for await (const of of generator) await of(place);
  }

  #forget(work: Promise<void>): void {
    const left = work.catch(() => undefined).finally(() => this.#left.delete(left));
    this.#left.add(left);
  }

  /** A listener that was added in another transaction: it runs in that of who emits. */
  #emit(place: Place): Promise<void> {
    const name = String(Math.floor(this.#given.random.fraction() * 5));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emitter.on(name, (at: Place, done: (work: Promise<void>) => void) => {
      const work = this.#enlist(at);
      // Of several listeners who emits waits for the first.
      this.#forget(work);
      done(work);
    });
    this.#emitter.emit(name, place, resolve);
    if (this.#emitter.listenerCount(name) > 3) this.#emitter.removeAllListeners(name);
    return promise;
  }

  async #nested(place: Place, depth: number): Promise<void> {
    const client = this.#draw(this.#given.clients);
    const propagation = this.#draw(propagations);
    const known = place.of.get(client) ?? null;
    const isLive = known !== null && !known.isOver;
    const joins = isLive && ['required', 'mandatory', 'supports'].includes(propagation);
    const begins = propagation === 'requires-new' || (propagation === 'required' && known === null);
    const runsWithout =
      propagation === 'not-supported' ||
      (propagation === 'never' && !isLive) ||
      (propagation === 'supports' && known === null);
    const at = `${propagation} ${known === null ? 'outside' : isLive ? 'within' : 'behind'}`;
    const frame: Frame = { client, tx: null, isOver: false, mustAbort: false, joined: 0 };
    let ran = false;
    let isLate = false;
    const call = this.#given.call(client, propagation, async (tx) => {
      ran = true;
      // In the turn in which its function has returned, and no one has heard of it yet: to commit
      // it, now that this has joined it, would be wrong, and shows as such.
      isLate = known?.isOver === true && tx !== null && tx.txid === known.tx?.txid;
      const here = joins || isLate ? known : begins ? frame : null;
      if (isLate && here?.tx != null) this.mustAbort.set(here.tx.txid, `${at}, late`);
      frame.tx = tx;
      if (tx?.txid !== here?.tx?.txid) this.wrong.push(`${at}: it got ${tx?.txid}`);
      if (!joins && !begins && !runsWithout && !this.#mayBeOver(known)) {
        this.wrong.push(`${at}: it ran`);
      }
      const of = new Map(place.of).set(client, here);
      if (joins) (known as Frame).joined += 1;
      try {
        await this.#part({ latest: here, of }, depth);
        if (begins && frame.joined > 0) frame.mustAbort = true;
      } catch (error) {
        if (here !== null) here.mustAbort = true;
        throw error;
      } finally {
        if (joins) (known as Frame).joined -= 1;
        else frame.isOver = true;
        if (begins && frame.mustAbort && tx !== null) this.mustAbort.set(tx.txid, at);
      }
    });
    const said = await call.catch((error: unknown) => {
      const isUnknown = isVerdictError(error) && error.acted === 'unknown';
      if (begins && frame.tx !== null) {
        this.told.set(frame.tx.txid, isUnknown ? 'unknown' : 'rejected');
      }
      throw error;
    });
    const done = joins || isLate ? 'joined' : begins ? 'committed' : 'none';
    const outcome = said === 'done' ? done : said;
    if (begins && frame.tx !== null) this.told.set(frame.tx.txid, outcome);
    const expected = begins ? [done, 'aborted'] : [done];
    if (!ran || !expected.includes(outcome)) this.wrong.push(`${at}: ${outcome}, ran: ${ran}`);
  }

  async #enlist(place: Place): Promise<void> {
    const client = this.#is(0.5) ? this.#draw(this.#given.clients) : undefined;
    const frame = client === undefined ? place.latest : (place.of.get(client) ?? null);
    let tx: Transaction;
    const wasOver = frame?.isOver === true;
    try {
      tx = currentTransaction(client);
    } catch (error) {
      const code = isVerdictError(error) ? error.code : (error as Error).name;
      const right = frame === null ? 'TypeError' : wasOver ? 'WRONG_STATE' : 'a transaction';
      const isEarly = code === 'WRONG_STATE' && this.#mayBeOver(frame);
      if (code !== right && !isEarly)
        this.wrong.push(`currentTransaction: ${code} in place of ${right}`);
      return;
    }
    if (tx.txid !== frame?.tx?.txid) {
      this.wrong.push(`currentTransaction: ${tx.txid} in place of ${frame?.tx?.txid ?? 'none'}`);
    }
    this.#serial += 1;
    const tag = `tag-${this.#serial}`;
    const enlisted: Enlisted = { tag, txid: tx.txid };
    this.enlisted.push(enlisted);
    const participant = this.#draw(this.#given.participants);
    try {
      await tx.enlist({ participant, branch: tag, payload: { tag } });
      enlisted.ended = 'resolved';
    } catch (error) {
      enlisted.ended = 'rejected';
      if (!wasOver && frame?.isOver === false) throw error;
    }
  }

  /** What is wrong between what was told and what was applied, by tag. */
  wrongIn(applied: ReadonlyMap<string, readonly string[]>): string[] {
    const wrong = [...this.wrong];
    const there = new Set([...applied.values()].flat());
    for (const [txid, why] of this.mustAbort) {
      if (this.told.get(txid) === 'committed' || there.has(txid))
        wrong.push(`${txid} committed: ${why}`);
    }
    for (const { tag, txid, ended } of this.enlisted) {
      const by = applied.get(tag) ?? [];
      const told = this.told.get(txid);
      if (by.some((other) => other !== txid)) wrong.push(`${tag} of ${txid} came with ${by}`);
      const isCommitted = told === 'committed' || (told === 'unknown' && there.has(txid));
      const right = isCommitted && ended === 'resolved' ? 1 : 0;
      if (by.length !== right) wrong.push(`${tag} of ${txid}, ${told}, ${ended}: ${by.length}`);
    }
    return wrong;
  }
}
