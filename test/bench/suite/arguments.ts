/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';
import type { Section } from './section.ts';

export interface Wanted {
  readonly sections: readonly Section[];
  readonly durationMs: number;
  readonly rounds: number;
  readonly quick: boolean;
  readonly soakMs: number;
  readonly kills: number;
  readonly json: string | null;
  readonly write: boolean;
}

export type Asked = { readonly help: string } | { readonly wrong: string } | Wanted;

const maxSeconds = 3_600;
const maxRounds = 1_000;
const maxSoakMinutes = 24 * 60;
const maxKills = 10_000;
const usual = { seconds: '1', rounds: '3', soak: '1', kills: '15' } as const;
const quick = { seconds: '0.25', rounds: '1', soak: '0.1', kills: '2' } as const;

export function argumentsOf(args: readonly string[], all: readonly Section[]): Asked {
  let values: ReturnType<typeof read>;
  try {
    values = read(args);
  } catch (error) {
    return { wrong: `${(error as Error).message}\n\n${helpOf(all)}` };
  }
  if (values.help) return { help: helpOf(all) };
  const names = all.map(({ name }) => name);
  const only = values.only?.split(',').map((name) => name.trim());
  const unknown = only?.filter((name) => !names.includes(name)) ?? [];
  if (unknown.length > 0) {
    const shown = unknown.map((name) => JSON.stringify(name)).join(', ');
    return { wrong: `There is no section ${shown}. There are: ${names.join(', ')}.` };
  }
  const defaults = values.quick ? quick : usual;
  const seconds = numberOf(values.seconds ?? defaults.seconds);
  if (!(seconds > 0 && seconds <= maxSeconds)) {
    return { wrong: `--seconds is a number above 0, at most ${maxSeconds}.` };
  }
  const rounds = numberOf(values.rounds ?? defaults.rounds);
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= maxRounds)) {
    return { wrong: `--rounds is a whole number from 1 to ${maxRounds}.` };
  }
  const soakMinutes = numberOf(values.soak ?? defaults.soak);
  if (!(soakMinutes > 0 && soakMinutes <= maxSoakMinutes)) {
    return { wrong: `--soak is a number of minutes above 0, at most ${maxSoakMinutes}.` };
  }
  const kills = numberOf(values.kills ?? defaults.kills);
  if (!(Number.isInteger(kills) && kills >= 1 && kills <= maxKills)) {
    return { wrong: `--kills is a whole number from 1 to ${maxKills}.` };
  }
  if (values.write && values.quick) {
    return { wrong: '--write is for figures that count: leave out --quick.' };
  }
  if (values.json === '') return { wrong: '--json is the name of a file.' };
  return {
    sections: all.filter(({ name }) => only?.includes(name) ?? true),
    durationMs: seconds * 1_000,
    rounds,
    quick: values.quick,
    soakMs: soakMinutes * 60_000,
    kills,
    json: values.json ?? null,
    write: values.write,
  };
}

function read(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      soak: { type: 'string' },
      kills: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

/** '' is no number here. */
function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

function helpOf(all: readonly Section[]): string {
  const width = Math.max(...all.map(({ name }) => name.length));
  return `npm run bench -- [--only NAME,NAME] [--quick] [--seconds N] [--rounds N]
                 [--soak MINUTES] [--kills N] [--json FILE] [--write]

Measures Verdict beside base lines on this machine, section after section: some 20 minutes in all.
  --only NAME,NAME  these sections alone (default: all)
  --quick           less of everything, under 3 minutes: shows that it works, its figures say little
  --seconds N       length of one measurement (default ${usual.seconds}; quick ${quick.seconds})
  --rounds N        measurements of each; the median counts (default ${usual.rounds}; quick ${quick.rounds})
  --soak MINUTES    length of the section \`soak\` (default ${usual.soak}; its target needs 30)
  --kills N         of leaders in the section \`failover\` (default ${usual.kills}; quick ${quick.kills}; 200 show the spread)
  --json FILE       writes what was measured as JSON
  --write           renews docs/PERFORMANCE.md and docs/bench/ with what was measured
  --help            this

Ends with 1 where a section failed. A target that is not met is a finding, not a failure.

Sections:
${all.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n')}`;
}
