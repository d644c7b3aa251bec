/** Names that someone may have meant by a mistyped one. */

/** More letters than that are no slip of the pen. */
const maxTypos = 2;

export function nearest(name: string, names: readonly string[]): string | null {
  const [best] = nearestFirst(name, names);
  return best !== undefined && typosOf(name, best) <= maxTypos ? best : null;
}

/** Those with the fewest typos first; of these by name. */
export function nearestFirst(name: string, names: readonly string[]): string[] {
  return names
    .map((each) => ({ each, typos: typosOf(name, each) }))
    .sort((a, b) => a.typos - b.typos || (a.each < b.each ? -1 : 1))
    .map(({ each }) => each);
}

/** The least number of letters put in, left out or changed. */
function typosOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [at, letter] of [...a].entries()) {
    const next = [at + 1];
    for (const [other, each] of [...b].entries()) {
      const changed = (row[other] ?? 0) + (letter === each ? 0 : 1);
      next.push(Math.min(changed, (row[other + 1] ?? 0) + 1, (next[other] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
