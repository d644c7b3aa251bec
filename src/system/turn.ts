/** The event loop's own rhythm: not time, but the end of what is being done now. */

/** Calls back once, when everything that has arrived already was handled. */
export function atEndOfTurn(callback: () => void): void {
  setImmediate(callback);
}
