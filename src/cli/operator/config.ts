/** `verdict config`: what a node runs with, or whether an access file is right. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import { accessAdvice } from '../../access/access-advice.ts';
import { AccessFileError, readAccessFile } from '../../access/access-file.ts';
import { thrownLine } from '../../core/thrown.ts';
import type { LevelChange } from '../../node/log-level.ts';
import { parseJson } from '../../system/json-text.ts';
import { SecretFileError } from '../../system/secret-file.ts';
import { CommandError } from '../command-error.ts';
import type { Sources } from '../config-file.ts';
import { unreadable } from '../open-input.ts';
import { harmless, plural } from '../text.ts';
import { answer, type OperatorContext } from './context.ts';
import { withOperator } from './operator.ts';

/** An access file, or one for `serve --config`: whichever it is. Without a node. */
export async function checkFile(
  context: Pick<OperatorContext, 'io' | 'json'>,
  file: string,
): Promise<void> {
  if (isAccessFile(file)) return checkAccessFile(context, file);
  const { serveCommand } = await import('../serve-command.ts');
  const { readConfigFile } = await import('../config-file.ts');
  const program = new Command();
  serveCommand(program, context.io, () => undefined);
  const [serve] = program.commands;
  if (serve === undefined) throw new Error('There is no serve command.');
  const names = [...readConfigFile(serve, file).keys()].map(({ long }) => long?.slice(2) ?? '');
  await answer(context, { file, options: names }, () => [
    `${file} is right: ${plural(names.length, 'option')}.`,
  ]);
}

/** Of what is not JSON nothing is quoted: it may be an access file, with secrets. */
function isAccessFile(file: string): boolean {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
  let read: unknown;
  try {
    read = parseJson(text);
  } catch (error) {
    throw new CommandError('INPUT', `${file} is not JSON: ${thrownLine(error)}.`);
  }
  return typeof read !== 'object' || read === null || 'identities' in read || 'issuers' in read;
}

/** `node`: its name; absent: the one that answers first. */
export async function showConfig(context: OperatorContext & { node?: string }): Promise<void> {
  const { node } = context;
  const { configuration } = await withOperator(
    context,
    (operator) => operator.atNode({ type: 'config' }, node),
    node === undefined ? 'leaders' : 'every',
  );
  const { sources, changed = {}, ...values } = configuration as Configuration;
  await answer(context, configuration as object, () =>
    linesOf(values, '').map(([path, value]) => {
      const change = changed[path];
      const source = change === undefined ? sourceOf(path, sources) : changeText(change);
      return `${path}  ${value}${source}`;
    }),
  );
}

interface Configuration {
  readonly sources?: Sources;
  /** By name: what operators have changed while it runs. */
  readonly changed?: Readonly<Record<string, LevelChange>>;
}

function changeText({ by, atMs, untilMs, start }: LevelChange): string {
  const until = untilMs === undefined ? '' : ` until ${isoText(untilMs)}`;
  return `  (set at run time by ${harmless(by)} at ${isoText(atMs)}${until}; at the start: ${start})`;
}

function isoText(ms: number): string {
  return new Date(ms).toISOString();
}

/** Without a node. */
async function checkAccessFile(
  context: Pick<OperatorContext, 'io' | 'json'>,
  file: string,
): Promise<void> {
  try {
    const read = readAccessFile(file);
    const { errors, warnings } = accessAdvice(read);
    if (errors.length > 0) throw new AccessFileError(errors.join(' '));
    const names = read.identities.map(({ rights }) => rights.name);
    const issuers = read.issuers.length;
    await answer(context, { file, identities: names, issuers, warnings }, (colors) => [
      `${file} can be used: ${plural(names.length, 'identity', 'identities')}, ${plural(issuers, 'issuer')}${warnings.length > 0 ? `, ${plural(warnings.length, 'warning')}` : ''}.`,
      ...warnings.map((warning) => colors.yellow(harmless(`warning: ${warning}`))),
    ]);
  } catch (error) {
    if (!(error instanceof AccessFileError) && !(error instanceof SecretFileError)) throw error;
    throw new CommandError('INPUT', error.message, { cause: error });
  }
}

/** A node of before says none. */
function sourceOf(path: string, sources: Sources | undefined): string {
  if (sources === undefined) return '';
  const names = path.split('.');
  const [first, name = first ?? ''] = [names[0], names.at(-1)];
  const attribute = path === 'etcd.endpoints' ? 'etcd' : name;
  const source =
    first === 'options' ? (sources.options[name] ?? 'default') : sources.flags[attribute];
  return source === undefined ? '' : `  (${source})`;
}

/** One line for each value, by its path; a list of plain values in one. */
function linesOf(value: unknown, path: string): [string, string][] {
  if (value === undefined || isDeepStrictEqual(value, {})) return [];
  if (typeof value !== 'object' || value === null || isPlainList(value)) {
    return [[path, Array.isArray(value) ? value.join(', ') : String(value)]];
  }
  return Object.entries(value).flatMap(([key, each]) =>
    linesOf(each, path === '' ? key : `${path}.${key}`),
  );
}

function isPlainList(value: object): boolean {
  return Array.isArray(value) && value.every((each) => typeof each !== 'object');
}
