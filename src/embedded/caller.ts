/** The calls of this process to the core: each a request with an id, and one reply. */
import type { FromNode } from '../core/messages.ts';
import type { ReplyTo, RequestType } from '../peer/requests.ts';
import { OutcomeUnknownError } from '../peer/verdict-error.ts';
import { fromErrorMessage } from './errors.ts';

/** The connection by which the core answers this process's calls; participants have the others. */
export const callerConnection = 0;

export class Caller {
  readonly #open = new Map<
    number,
    { readonly resolve: (message: FromNode) => void; readonly reject: (error: Error) => void }
  >();
  #nextId = 1;

  /** `send` must hand the request over; the reply may come before it returns. */
  call<Type extends RequestType>(send: (id: number) => void): Promise<ReplyTo[Type]> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve: resolve as (message: FromNode) => void, reject });
      send(id);
    });
  }

  receive(message: FromNode): void {
    const id = 'id' in message ? message.id : undefined;
    if (id === undefined) return;
    const open = this.#open.get(id);
    this.#open.delete(id);
    if (message.type === 'error') open?.reject(fromErrorMessage(message));
    else open?.resolve(message);
  }

  /** Nothing more will be answered: what was asked may or may not have happened. */
  failAll(why: string): void {
    for (const { reject } of this.#open.values()) reject(new OutcomeUnknownError(why));
    this.#open.clear();
  }
}
