/** The command line of `npm run scaling`. */
import { parseArgs } from 'node:util';
import { type Deployment, deployments, type Place } from './deployment.ts';

export interface Wanted {
  readonly deployment: Deployment;
  readonly seed: number;
  readonly durationMs: number;
  readonly takeoverMs: number;
  readonly measure: boolean;
  readonly write: boolean;
}

export type Asked = { readonly help: string } | { readonly wrong: string } | Wanted;

type Names = Exclude<keyof Deployment, 'name' | 'place'>;

interface Option<Name> {
  readonly name: Name;
  readonly min: number;
  readonly max: number;
  readonly whole?: false;
  readonly text: string;
}

const ofDeployment: Readonly<Record<string, Option<Names>>> = {
  nodes: { name: 'nodes', min: 1, max: 10_000, text: 'processes that lead shards' },
  shards: { name: 'shards', min: 1, max: 10_000, text: 'shards' },
  etcds: { name: 'etcds', min: 1, max: 10_000, text: 'etcd clusters' },
  'etcds-of-node': { name: 'etcdsOfNode', min: 1, max: 10_000, text: 'of these, for each node' },
  services: { name: 'services', min: 1, max: 100_000, text: 'services' },
  'service-processes': { name: 'serviceProcesses', min: 1, max: 100_000, text: 'of all services' },
  clients: { name: 'clientProcesses', min: 1, max: 100_000, text: 'processes that begin them' },
  branches: { name: 'branches', min: 1, max: 128, text: 'branches of a transaction' },
  rate: { name: 'perSecond', min: 1, max: 2_000_000, text: 'transactions a second' },
  zipf: { name: 'zipf', min: 0, max: 3, whole: false, text: 'how uneven services are; 0 is even' },
};

type PlaceNames = 'roundTripMs' | 'flushMs' | 'speed' | 'etcdCores' | 'etcdHistoryS';

const ofPlace: Readonly<Record<string, Option<PlaceNames>>> = {
  'round-trip-ms': {
    name: 'roundTripMs',
    min: 0,
    max: 1_000,
    whole: false,
    text: 'of the network',
  },
  'flush-ms': { name: 'flushMs', min: 0, max: 1_000, whole: false, text: 'of a disk' },
  speed: {
    name: 'speed',
    min: 0.01,
    max: 100,
    whole: false,
    text: 'of a core, of the measured one',
  },
  'etcd-cores': { name: 'etcdCores', min: 0.1, max: 100, whole: false, text: 'that etcd can use' },
  'etcd-history-s': { name: 'etcdHistoryS', min: 0, max: 86_400, text: 'until it is compacted' },
};

const ofRun = {
  seed: { min: 0, max: 2 ** 31 - 1, value: 1, text: 'of chance' },
  'duration-ms': { min: 10, max: 10_000, value: 200, text: 'virtual time of a run' },
  'takeover-ms': {
    min: 0,
    max: 10_000,
    value: 100,
    text: 'until the shards of a dead node are led',
  },
} as const;

export function argumentsOf(args: readonly string[]): Asked {
  let values: ReturnType<typeof read>;
  try {
    values = read(args);
  } catch (error) {
    return { wrong: `${(error as Error).message}\n\n${help()}` };
  }
  if (values['help'] === true) return { help: help() };
  const idle = idleOptions(values);
  if (idle !== null) return { wrong: idle };
  const name = String(values['deployment'] ?? 'million');
  if (!Object.hasOwn(deployments, name)) {
    return { wrong: `--deployment is one of ${Object.keys(deployments).join(', ')}.` };
  }
  const base = deployments[name as keyof typeof deployments];
  try {
    const place: Place = { ...base.place, ...chosen(values, ofPlace) };
    const own = { ...base, ...chosen(values, ofDeployment), place };
    const deployment: Deployment = { ...own, name: nameOf(own, base) };
    const problem = problemOf(deployment);
    if (problem !== null) return { wrong: problem };
    const run = (option: keyof typeof ofRun): number =>
      number(values, option, ofRun[option]) ?? ofRun[option].value;
    return {
      deployment,
      seed: run('seed'),
      durationMs: run('duration-ms'),
      takeoverMs: run('takeover-ms'),
      measure: values['measure'] === true,
      write: values['write'] === true,
    };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}

/** What is measured and what is on the page is given: a deployment or a run has no say in it. */
function idleOptions(values: Values): string | null {
  const modes = ['measure', 'write'].filter((flag) => values[flag] === true);
  const others = Object.keys(values).filter((flag) => !modes.includes(flag));
  if (modes.length === 0 || others.length === 0) return null;
  const dashed = (flags: readonly string[]): string => flags.map((flag) => `--${flag}`).join(', ');
  return `${dashed(others)}: of no use with ${dashed(modes)}. Leave out the one or the other.`;
}

/** That of what it started from says how many there are of some. */
function nameOf(own: Deployment, base: Deployment): string {
  const { nodes, shards, etcds, etcdsOfNode } = own;
  const same = (['nodes', 'shards', 'etcds', 'etcdsOfNode'] as const).every(
    (name) => own[name] === base[name],
  );
  if (same) return base.name;
  return `${nodes} nodes, ${shards} shards, ${etcds} etcd clusters, ${etcdsOfNode} for each node`;
}

function problemOf(deployment: Deployment): string | null {
  const { services, serviceProcesses, branches, shards, etcds, etcdsOfNode } = deployment;
  if (serviceProcesses < services) {
    return '--service-processes: each service has one at least, so not fewer than --services.';
  }
  if (branches > services) return '--branches: not more than --services, each has one of them.';
  if (etcds > shards) return '--etcds: not more than --shards.';
  if (etcdsOfNode > etcds) return '--etcds-of-node: not more than --etcds.';
  return null;
}

function chosen<Name extends string>(
  values: Values,
  options: Readonly<Record<string, Option<Name>>>,
): Partial<Record<Name, number>> {
  const found: Partial<Record<Name, number>> = {};
  for (const [flag, option] of Object.entries(options)) {
    const value = number(values, flag, option);
    if (value !== null) found[option.name] = value;
  }
  return found;
}

type Values = Readonly<Record<string, string | boolean | undefined>>;

function number(
  values: Values,
  flag: string,
  {
    min,
    max,
    whole = true,
  }: { readonly min: number; readonly max: number; readonly whole?: false | true },
): number | null {
  const text = values[flag];
  if (typeof text !== 'string') return null;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  throw new Error(`--${flag} is a ${whole ? 'whole ' : ''}number from ${min} to ${max}.`);
}

function read(args: readonly string[]): Values {
  const text = (options: object) =>
    Object.fromEntries(Object.keys(options).map((flag) => [flag, { type: 'string' as const }]));
  return parseArgs({
    args: [...args],
    options: {
      ...text(ofDeployment),
      ...text(ofPlace),
      ...text(ofRun),
      deployment: { type: 'string' },
      measure: { type: 'boolean' },
      write: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  }).values;
}

function help(): string {
  const { place, ...rest } = deployments.million;
  const line = (flag: string, text: string, value: unknown): string =>
    `  --${`${flag} N`.padEnd(22)}${text} (default ${String(value)})`;
  const lines = [
    ...Object.entries(ofDeployment).map(([flag, { name, text }]) => line(flag, text, rest[name])),
    ...Object.entries(ofPlace).map(([flag, { name, text }]) => line(flag, text, place[name])),
    ...Object.entries(ofRun).map(([flag, { value, text }]) => line(flag, text, value)),
  ];
  return `npm run scaling -- [--deployment NAME] [OPTIONS] | --measure | --write

What a deployment takes, which of its resources is full first, and a simulated run of it: every
message of every transaction over a slice of virtual time. Takes some seconds.

  --deployment NAME       start from ${Object.keys(deployments).join(', ')} (default million)
${lines.join('\n')}
  --measure               measures the costs anew (docs/bench/scaling.json): 4 minutes
  --write                 renews docs/SCALING.md
  --help                  this`;
}
