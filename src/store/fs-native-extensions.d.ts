/** The package brings no types; this is the part that is used. */
declare module 'fs-native-extensions' {
  /**
   * Locks `length` bytes of the open file from `offset` (0: to the end, whatever it becomes), or returns false
   * where another open file holds a lock that stands against it.
   */
  export function tryLock(
    file: number,
    offset: number,
    length: number,
    options: { readonly shared: boolean },
  ): boolean;
}
