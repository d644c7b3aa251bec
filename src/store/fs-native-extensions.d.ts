/** The package brings no types; this is the part that is used. */
declare module 'fs-native-extensions' {
  /**
   * Locks `length` bytes from `offset` (0: to the end, whatever it becomes), or returns false where
   * another open file holds a lock that excludes this one.
   */
  export function tryLock(
    file: number,
    offset: number,
    length: number,
    options: { readonly shared: boolean },
  ): boolean;
}
