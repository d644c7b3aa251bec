export type Done = (error: unknown, ...more: unknown[]) => void;
export type Values = readonly unknown[] | Done;

/** Some libraries wait for a promise, some for a callback: with what `given` makes of the driver's result. */
export function answer(
  values: Values | undefined,
  done: Done | undefined,
  run: (values: readonly unknown[] | undefined) => Promise<unknown>,
  given: (raw: unknown) => readonly unknown[] = (raw) => [raw],
): unknown {
  const callback = typeof values === 'function' ? values : done;
  const result = run(typeof values === 'function' ? undefined : values);
  if (callback === undefined) return result;
  result.then(
    (raw) => callback(null, ...given(raw)),
    (error: unknown) => callback(error),
  );
  return undefined;
}
