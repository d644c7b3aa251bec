/** Every command line of `verdict` in the documentation is one that the program has. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { processIo } from '../../../src/cli/io.ts';
import { buildProgram } from '../../../src/cli/program.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const program = buildProgram(processIo(), () => undefined);
const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Of code between backquotes, which may be wrapped, and of the lines of shell snippets. */
function commandLines(text: string): string[] {
  const snippets = [...text.matchAll(/^```(?:sh|text|console)?\n([\s\S]*?)^```$/gm)];
  const spans = text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`]+)`/g);
  const lines = [
    ...snippets.flatMap(([, code = '']) => code.replaceAll(/\\\n\s*/g, ' ').split('\n')),
    ...[...spans].map(([, code = '']) => code.replaceAll(/\s+/g, ' ')),
  ];
  return lines.flatMap((line) => {
    const [, words] = line.match(/^(?:\$ )?(?:npx )?verdict (.+)$/) ?? [];
    return words === undefined ? [] : [words];
  });
}

/** What of the line the program does not have; null: nothing. */
function unknownIn(line: string): string | null {
  const words = line.replace(/\s+#.*$/, '').split(' ');
  let command: Command = program;
  for (const word of words) {
    if (command.commands.length === 0 || word.startsWith('-')) break;
    const next = command.commands.find((each) => each.name() === word);
    if (next === undefined) return word;
    command = next;
  }
  const known = new Set(command.options.flatMap(({ long, short }) => [long, short]));
  const flags = words
    .map((word) => word.split('=', 1)[0] ?? '')
    .filter((word) => /^--?\w/.test(word));
  return flags.find((flag) => !known.has(flag) && !/^(?:--help|-h)$/.test(flag)) ?? null;
}

it('finds command lines, wrapped ones too, and what is wrong with them', () => {
  const text =
    'Ask `verdict\nstatus`.\n\n```sh\nnpx verdict serve \\\n  --node a --nod b  # --this\n```\n';
  expect(commandLines(text).map(unknownIn)).toEqual(['--nod', null]);
  for (const line of ['participant retire', 'tx shew T', 'status --yes']) {
    expect(unknownIn(line), line).not.toBeNull();
  }
  for (const line of ['tx list --attention', '--help', 'retire a b --yes', 'status --url=there']) {
    expect(unknownIn(line), line).toBeNull();
  }
});

it.each(documents)('%s names only commands and options that there are', (document) => {
  const text = readFileSync(join(root, document), 'utf8');
  expect(commandLines(text).filter((line) => unknownIn(line) !== null)).toEqual([]);
});
