/**
 * A participant of the library mode that does as it is told, and remembers every call and whether
 * two ever overlapped.
 */
import type { EmbeddedParticipant, PrepareContext } from '../../../src/embedded.ts';

type Method = 'prepare' | 'commit' | 'rollback';
type Answer = unknown | ((txid: string, context?: PrepareContext) => unknown);

export class ScriptedParticipant implements EmbeddedParticipant {
  readonly name: string;
  /** `prepare TXID`, as they began; `prepare TXID done` as they ended. */
  readonly calls: { readonly method: Method; readonly txid: string }[] = [];
  overlapped = false;
  /** What `inDoubt` lists. */
  doubts: string[] = [];
  readonly #answers: Record<Method, Answer[]>;
  readonly #running = new Set<string>();
  readonly #order: string[];

  /**
   * Each method's answers in order; the last goes on forever; none: true. A function is called for
   * the answer.
   */
  constructor(name: string, answers: Partial<Record<Method, Answer[]>> = {}, order: string[] = []) {
    this.name = name;
    this.#answers = { prepare: [], commit: [], rollback: [], ...answers };
    this.#order = order;
  }

  prepare(txid: string, context: PrepareContext): Promise<boolean> {
    return this.#call('prepare', txid, context);
  }

  commit(txid: string): Promise<boolean> {
    return this.#call('commit', txid);
  }

  rollback(txid: string): Promise<boolean> {
    return this.#call('rollback', txid);
  }

  inDoubt(): string[] {
    return this.doubts;
  }

  /** The methods called for the transaction, in order. */
  of(txid: string): Method[] {
    return this.calls.filter((call) => call.txid === txid).map(({ method }) => method);
  }

  async #call(method: Method, txid: string, context?: PrepareContext): Promise<boolean> {
    this.calls.push({ method, txid });
    this.#order.push(`${this.name} ${method}`);
    if (this.#running.has(txid)) this.overlapped = true;
    this.#running.add(txid);
    try {
      const answers = this.#answers[method];
      const answer = answers.length > 1 ? answers.shift() : (answers[0] ?? true);
      return (await (typeof answer === 'function' ? answer(txid, context) : answer)) as boolean;
    } finally {
      this.#running.delete(txid);
    }
  }
}

/** An answer that is given when the test says so. */
export function held(): { answer: () => Promise<unknown>; give: (value: unknown) => void } {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  return { answer: () => promise, give: resolve };
}

export function throws(text: string): () => never {
  return () => {
    throw new Error(text);
  };
}
