/**
 * What a message becomes on its way: a copy without `undefined`, so that no two processes share an
 * object.
 */
export function copyOf<T>(value: T): T {
  return copy(value) as T;
}

function copy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const list: unknown[] = [];
    for (const entry of value) list.push(entry === undefined ? null : copy(entry));
    return list;
  }
  if (value instanceof Uint8Array) return value.slice();
  const map: Record<string, unknown> = {};
  for (const key in value) {
    const entry = (value as Readonly<Record<string, unknown>>)[key];
    if (entry !== undefined) map[key] = copy(entry);
  }
  return map;
}
