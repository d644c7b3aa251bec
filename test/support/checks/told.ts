/** What callers were told of their runs, against what the databases hold in the end. */
import { isVerdictError } from '../../../src/client.ts';

export interface Told<Name extends string> {
  readonly id: string;
  readonly wrote: readonly Name[];
  readonly ended: 'committed' | 'aborted' | 'unknown';
}

export async function toldBy(running: Promise<unknown>): Promise<Told<string>['ended']> {
  return running.then(
    () => 'committed',
    (error: unknown) =>
      isVerdictError(error) && error.acted === 'unknown' ? 'unknown' : 'aborted',
  );
}

/** Committed is there once, aborted is not, and what no one knew is whole or not there. */
export function wrongIn<Name extends string>(
  told: readonly Told<Name>[],
  ids: Readonly<Record<Name, readonly string[]>>,
): string[] {
  const all = Object.keys(ids) as Name[];
  const counts = new Map<string, number>();
  for (const name of all) {
    for (const id of ids[name]) {
      const key = `${name} ${id}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return told.flatMap(({ id, wrote, ended }) => {
    const found = all.map((name) => counts.get(`${name} ${id}`) ?? 0);
    const isWhole = found.every((count, at) => count === Number(wrote.includes(all[at] as Name)));
    const isNone = found.every((count) => count === 0);
    const isRight = ended === 'committed' ? isWhole : isNone || (ended === 'unknown' && isWhole);
    return isRight ? [] : [`${id} of ${wrote.join('+')} ${ended}, and is there ${found}`];
  });
}
