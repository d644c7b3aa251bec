/**
 * About how many bytes a value from the wire takes in memory. The cost grows with entries, not with
 * the length of texts. Recursive: what came over the wire is not nested deep.
 */
const perEntry = 16;

export function weightOf(value: unknown): number {
  if (typeof value === 'string') return perEntry + value.length;
  if (typeof value !== 'object' || value === null) return perEntry;
  if (value instanceof Uint8Array) return perEntry * 4 + value.length;
  let weight = perEntry * 4;
  if (Array.isArray(value)) {
    for (const entry of value) weight += weightOf(entry);
    return weight;
  }
  for (const key of Object.keys(value)) {
    weight += perEntry + key.length + weightOf((value as Record<string, unknown>)[key]);
  }
  return weight;
}
