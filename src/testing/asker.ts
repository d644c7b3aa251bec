/** Asks the node about transactions, as an operator does: of anyone's, and of the log too. */
import { type FromNode, protocolVersion, type TransactionStatus } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import type { Connection } from '../ports/transport.ts';
import type { Accept } from './wire.ts';

type Answer = Extract<FromNode, { type: 'status' | 'error' }>;

export class Asker {
  readonly #waiting = new Map<number, (answer: Answer | null) => void>();
  #handler: ReturnType<Accept> | null;
  #id = 0;

  constructor(accept: Accept) {
    const over = (): void => {
      this.#handler = null;
      for (const answer of this.#waiting.values()) answer(null);
      this.#waiting.clear();
    };
    const connection: Connection<FromNode> = {
      remoteAddress: 'in-process',
      send: (message) => this.#heard(message),
      close: over,
      terminate: over,
      answeredPingAgeMs: () => 0,
      bufferedBytes: () => 0,
    };
    this.#handler = accept(connection);
    this.#handler.message({
      type: 'hello',
      protocol: protocolVersion,
      name: 'verdict/testing',
      instance: 'verdict/testing',
      roles: ['operator'],
    });
  }

  get isOver(): boolean {
    return this.#handler === null;
  }

  /** Null where the node is gone, or cannot tell now. */
  async status(txid: Txid): Promise<TransactionStatus | null> {
    const { promise, resolve } = Promise.withResolvers<Answer | null>();
    if (this.#handler === null) return null;
    this.#id += 1;
    this.#waiting.set(this.#id, resolve);
    this.#handler.message({ type: 'status', id: this.#id, txid });
    const answer = await promise;
    if (answer === null) return null;
    if (answer.type === 'error') {
      if (answer.retryable) return null;
      throw new Error(`The coordinator says of ${txid}: ${answer.message}`);
    }
    const { type: _, id: __, ...status } = answer;
    return status;
  }

  close(): void {
    this.#handler?.closed({ code: 1000, reason: '', kind: 'closed' });
  }

  #heard(message: FromNode): void {
    if (message.type !== 'status' && message.type !== 'error') return;
    const { id } = message;
    if (id === undefined) return;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.(message);
  }
}
