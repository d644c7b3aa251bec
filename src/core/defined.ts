type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

/** A copy without the fields that are undefined. */
export function defined<T extends object>(fields: T): Defined<T> {
  const copy: Partial<T> = {};
  for (const name in fields) if (fields[name] !== undefined) copy[name] = fields[name];
  return copy as Defined<T>;
}
