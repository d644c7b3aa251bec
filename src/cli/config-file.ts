/**
 * What a node runs with, beside its flags: a file (`--config`), and the environment. The names are
 * those of the flags, and so are the rules: each value is read as its flag would be.
 *
 * Flags win over the environment, that over the file, and that over defaults. Options of the node
 * (`option`) are merged by name.
 */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import { thrownLine } from '../core/thrown.ts';
import { parseJson } from '../system/json-text.ts';
import { usageError } from './command-error.ts';
import { nearest } from './nearest.ts';

export type Source = 'flag' | 'environment' | 'file' | 'default';

/** By the name of the flag's attribute; of the options of the node by their own. */
export interface Sources {
  readonly flags: Readonly<Record<string, Source>>;
  readonly options: Readonly<Record<string, Source>>;
}

type NodeOptions = Partial<CoordinatorOptions>;
type Environment = Readonly<Record<string, string | undefined>>;

const optionVariable = 'VERDICT_OPTION';

/** Takes in what the flags left open. Returns where each value came from. */
export function configure(command: Command, env: Environment): Sources {
  refuseMisspelt(command, env);
  const file = command.opts<{ readonly config?: string }>().config;
  const inFile = file === undefined ? new Map<Option, unknown>() : readConfigFile(command, file);
  for (const [option, value] of inFile) {
    const name = option.attributeName();
    if (name === 'option' || isGiven(command, name)) continue;
    command.setOptionValueWithSource(name, value, 'config');
  }
  const option = optionNamed(command, 'option');
  const layers: readonly (readonly [Source, NodeOptions])[] = [
    ['file', (option && (inFile.get(option) as NodeOptions)) ?? {}],
    ['environment', optionsIn(option, env)],
    ['flag', command.opts<{ readonly option?: NodeOptions }>().option ?? {}],
  ];
  let merged: NodeOptions = {};
  const options: Record<string, Source> = {};
  for (const [source, values] of layers) {
    merged = { ...merged, ...values };
    for (const name of Object.keys(values)) options[name] = source;
  }
  if (option !== undefined) command.setOptionValue('option', merged);
  return { flags: sourcesOf(command), options };
}

/** Throws a usage error that names the file and the entry. */
export function readConfigFile(command: Command, file: string): ReadonlyMap<Option, unknown> {
  const values = new Map<Option, unknown>();
  for (const [name, value] of Object.entries(objectIn(file))) {
    const option = optionNamed(command, name);
    if (option === undefined || name === 'config') {
      throw usageError(
        `${file}: there is no option "${name}".${suggestion(name, namesOf(command))}`,
      );
    }
    try {
      values.set(option, givenValue(option, value));
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw usageError(`${file}: "${name}" is ${JSON.stringify(value)}. ${error.message}`);
    }
  }
  return values;
}

function objectIn(file: string): object {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`The configuration file cannot be read: ${thrownLine(error)}`);
  }
  let read: unknown;
  try {
    read = parseJson(text);
  } catch (error) {
    throw usageError(`${file} is not JSON: ${thrownLine(error)}`);
  }
  if (typeof read === 'object' && read !== null && !Array.isArray(read)) return read;
  throw usageError(`${file}: write one JSON object, such as {"listen": "0.0.0.0:7070"}.`);
}

/** As its flag, given once for each element, would have it. */
function givenValue(option: Option, value: unknown): unknown {
  if (option.isBoolean()) {
    if (typeof value === 'boolean') return value ? true : undefined;
    throw new InvalidArgumentError('Write true or false.');
  }
  let result: unknown;
  for (const text of textsOf(option, value)) {
    result = option.parseArg === undefined ? text : option.parseArg(text, result as never);
  }
  return result;
}

function textsOf(option: Option, value: unknown): readonly string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  if (Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string')) {
    return value;
  }
  if (option.attributeName() === 'option' && typeof value === 'object' && value) {
    return Object.entries(value).map(([name, each]) => `${name}=${String(each)}`);
  }
  throw new InvalidArgumentError('Write it as the flag has it, as text or a number.');
}

function optionsIn(option: Option | undefined, env: Environment): NodeOptions {
  const text = env[optionVariable];
  if (text === undefined || text === '' || option === undefined) return {};
  try {
    return givenValue(option, text.split(',')) as NodeOptions;
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw usageError(`${optionVariable}: ${error.message}`);
  }
}

/**
 * What is no name of a variable, but nearly one. Others are let be: Kubernetes makes some of its
 * own of the names of services, and other commands have theirs.
 */
function refuseMisspelt(command: Command, env: Environment): void {
  const known = command.options.flatMap(({ envVar }) => envVar ?? []);
  const all = new Set([...known, optionVariable, ...ofOtherCommands]);
  for (const name of Object.keys(env)) {
    if (!name.startsWith('VERDICT_') || all.has(name) || name.startsWith('VERDICT_TEST_')) continue;
    const near = nearest(name, [...known, optionVariable]);
    if (near !== null) throw usageError(`There is no variable ${name}. Did you mean ${near}?`);
  }
}

const ofOtherCommands = [
  'VERDICT_URL',
  'VERDICT_JWT_FILE',
  'VERDICT_TLS_CA',
  'VERDICT_TLS_CERT',
  'VERDICT_TLS_KEY',
  'VERDICT_TLS_NODE_NAMES',
  'VERDICT_TLS_SERVER_NAME',
];

function sourcesOf(command: Command): Record<string, Source> {
  const sources: Record<string, Source> = {};
  for (const option of command.options) {
    const name = option.attributeName();
    const source = command.getOptionValueSource(name);
    if (source === undefined || name === 'option') continue;
    sources[name] = sourceNames[source] ?? 'default';
  }
  return sources;
}

const sourceNames: Readonly<Record<string, Source>> = {
  cli: 'flag',
  env: 'environment',
  config: 'file',
};

function isGiven(command: Command, name: string): boolean {
  const source = command.getOptionValueSource(name);
  return source === 'cli' || source === 'env';
}

function optionNamed({ options }: Command, name: string): Option | undefined {
  return options.find(({ long }) => long === `--${name}`);
}

function namesOf({ options }: Command): readonly string[] {
  return options.flatMap(({ long }) => long?.slice(2) ?? []).filter((name) => name !== 'config');
}

function suggestion(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === null
    ? ' The names are those of the flags: verdict serve --help.'
    : ` Did you mean "${near}"?`;
}
