/** Hundreds of participants, in a few processes, and transactions over some of them. */
import { join } from 'node:path';
import type { Random } from '../../../src/ports/random.ts';
import { Child } from '../process/child.ts';
import type { ServiceTally } from './services-entry.ts';

export interface Services {
  readonly names: readonly string[];
  readonly children: readonly Child[];
  /** What all of them counted, as `txid name`. */
  tally(): Promise<{ [Key in keyof ServiceTally]: Set<string> }>;
}

export async function startServices(given: {
  readonly directory: string;
  readonly port: string;
  readonly names: readonly string[];
  readonly processes: number;
}): Promise<Services> {
  const { directory, port, names, processes } = given;
  const children: Child[] = [];
  const size = Math.ceil(names.length / processes);
  for (let at = 0; at < names.length; at += size) {
    children.push(
      new Child('test/support/participants/services-entry.ts', {
        args: [join(directory, `services-${at}`), port, ...names.slice(at, at + size)],
      }),
    );
  }
  const ready = await Promise.all(children.map((child) => child.line(/^ready$/)));
  if (ready.includes(null)) throw new Error(children.map(({ lines }) => lines.join('\n')).join());
  return {
    names,
    children,
    tally: async () => {
      const all = (await Promise.all(children.map((child) => child.ask({})))) as ServiceTally[];
      const union = (key: keyof ServiceTally): Set<string> =>
        new Set(all.flatMap((each) => each[key]));
      return {
        prepared: union('prepared'),
        committed: union('committed'),
        rolledBack: union('rolledBack'),
      };
    },
  };
}

/** So many different names; each as likely as any other. */
export function someOf(names: readonly string[], count: number, random: Random): string[] {
  const left = [...names];
  return Array.from({ length: Math.min(count, names.length) }, () => {
    const [taken = ''] = left.splice(Math.floor(random.fraction() * left.length), 1);
    return taken;
  });
}

/** From `least` to `most`, small ones more often: a decade is as likely as the next. */
export function manyOf(least: number, most: number, random: Random): number {
  const drawn = least * (most / least) ** random.fraction();
  return Math.min(most, Math.max(least, Math.round(drawn)));
}
