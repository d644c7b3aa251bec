/** What someone may have meant by a command that there is not. */
import type { Command } from 'commander';
import { nearest } from './nearest.ts';

/** Words of other tools, and parts of names here: no slip of the pen. */
const meant: ReadonlyMap<string, string> = new Map([
  ['abort', 'resolve'],
  ['get', 'tx show'],
  ['health', 'status'],
  ['info', 'status'],
  ['leaders', 'status'],
  ['list', 'tx list'],
  ['ls', 'tx list'],
  ['nodes', 'status'],
  ['ps', 'tx list'],
  ['raise', 'raise-generation'],
  ['ready', 'status'],
  ['rollback', 'resolve'],
  ['run', 'serve'],
  ['setup', 'etcd-setup'],
  ['show', 'tx show'],
  ['start', 'serve'],
  ['transactions', 'tx list'],
]);

const unknown = /^error: unknown command '(.+)'(\n\(Did you mean .*\?\))?$/m;

/** `text`: what is said of wrong usage. Of a command that there is not with what may be meant. */
export function hinted(text: string, program: Command): string {
  const [said, name, guess = ''] = unknown.exec(text) ?? [];
  if (said === undefined || name === undefined) return text;
  const word = name.toLowerCase();
  const known = meant.get(word);
  if (known === undefined && guess !== '') return text;
  const hint = known ?? nearestOf(word, program);
  const line = hint === null ? allOf(program) : `Did you mean verdict ${hint}?`;
  return text.replace(said, () => `error: unknown command '${name}'\n(${line})`);
}

function nearestOf(word: string, program: Command): string | null {
  const byWord = new Map([
    ...meant,
    ...pathsOf(program).map((path): [string, string] => [path.split(' ').at(-1) ?? path, path]),
  ]);
  return byWord.get(nearest(word, [...byWord.keys()]) ?? '') ?? null;
}

function allOf(program: Command): string {
  return `The commands are ${pathsOf(program).join(', ')}`;
}

/** `serve`, `tx show`. */
function pathsOf(command: Command): string[] {
  return command.commands.flatMap((each) =>
    each.commands.length === 0
      ? [each.name()]
      : pathsOf(each).map((path) => `${each.name()} ${path}`),
  );
}
