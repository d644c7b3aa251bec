/**
 * A promise that knows whether anyone waits for it. A query without `await` that fails must abort
 * its branch, not end the process as an unhandled rejection does.
 */
export class HeardPromise<T> extends Promise<T> {
  /** What `then` and its like return is an ordinary one. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  #heard = false;

  static of<T>(work: Promise<T>): HeardPromise<T> {
    const promise = new HeardPromise<T>((resolve) => resolve(work));
    Promise.prototype.then.call(promise, undefined, () => undefined);
    return promise;
  }

  get heard(): boolean {
    return this.#heard;
  }

  // biome-ignore lint/suspicious/noThenProperty: a promise, whose own `then` is heard
  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#heard = true;
    return super.then(fulfilled, rejected);
  }
}
