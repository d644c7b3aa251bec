/**
 * Circles of value imports: which file is run first is then an accident of who is imported first.
 */

/** One circle for each knot of files, each importing the next and the last the first. */
export function cyclesOf(imports: ReadonlyMap<string, ReadonlyMap<string, number>>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at !== -1) cycles.push(path.slice(at));
    if (at !== -1 || done.has(file)) return;
    path.push(file);
    for (const target of imports.get(file)?.keys() ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of imports.keys()) visit(file);
  return cycles;
}

export function cycleMessage(cycle: readonly string[]): string {
  return `Files import each other's values in a circle: ${[...cycle, cycle[0]].join(' -> ')}.`;
}
