/** Who wants to hear of something, in this process. */
export class Listeners<T> {
  readonly #listeners = new Set<(value: T) => void>();

  tell(value: T): void {
    // A copy: a listener may leave, or make others come, while it is told.
    for (const listener of [...this.#listeners]) listener(value);
  }

  watch(listener: (value: T) => void): () => void {
    // A wrapper, so that one function given twice is two listeners.
    const own = (value: T): void => listener(value);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }
}
