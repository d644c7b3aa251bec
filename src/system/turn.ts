/** Calls back once, when everything that has arrived already was handled. */
export function atEndOfTurn(callback: () => void): void {
  setImmediate(callback);
}
