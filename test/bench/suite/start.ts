/** How long the package takes to start: the node, the command, the client. */
import { execFile } from 'node:child_process';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../../../cluster/launcher/free-ports.ts';
import { Child } from '../../support/process/child.ts';
import { median } from '../load.ts';
import type { Section, Target } from './section.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const usualTimes = 11;
const quickTimes = 3;
const runTimeoutMs = 60_000;
const run = promisify(execFile);

interface Start {
  readonly what: string;
  /** None for a base line. */
  readonly mostMs: number | null;
  /** What one took, in milliseconds. */
  one(): Promise<number>;
}

export const start: Section = {
  name: 'start',
  title: 'Start',
  about:
    'The package as it is built, in a folder of its own, with what it depends on beside it. A ' +
    'node is ready when its log says so; the clock starts with its process. An import is counted ' +
    'from within a process that runs. Beside them a Node that runs nothing. Medians, in turns, ' +
    'after one that does not count.',
  run: async ({ directory, quick, progress }) => {
    const times = quick ? quickTimes : usualTimes;
    progress('the package is built');
    const starts = startsOf(await packageIn(directory), directory);
    const tookMs = new Map<Start, number[]>(starts.map((each) => [each, []]));
    for (let round = 0; round <= times; round += 1) {
      progress(`round ${round} of ${times}`);
      for (const [each, list] of tookMs) {
        const ms = await each.one();
        if (round > 0) list.push(ms);
      }
    }
    return {
      tables: [
        {
          title: `Start, medians of ${times}`,
          columns: ['what', 'median ms', 'fastest ms', 'slowest ms'],
          rows: [...tookMs].map(([{ what }, list]) => [
            what,
            median(list),
            Math.min(...list),
            Math.max(...list),
          ]),
        },
      ],
      charts: [],
      targets: [...tookMs].flatMap(([{ what, mostMs }, list]): Target[] => {
        if (mostMs === null) return [];
        const ms = median(list);
        const measured = `${ms.toFixed(0)} ms`;
        return [{ what, aim: `< ${mostMs} ms`, measured, met: ms < mostMs }];
      }),
    };
  },
};

/** What `npm pack` would pack, as far as it runs. Resolves with where it is. */
async function packageIn(directory: string): Promise<string> {
  const path = join(directory, 'verdict');
  await mkdir(path, { recursive: true });
  const compiler = join(root, 'node_modules', '.bin', 'tsc');
  const args = ['-p', 'tsconfig.build.json', '--outDir', join(path, 'dist')];
  await run(compiler, args, { cwd: root, timeout: runTimeoutMs });
  await cp(join(root, 'package.json'), join(path, 'package.json'));
  await cp(join(root, 'bin'), join(path, 'bin'), { recursive: true });
  await symlink(join(root, 'node_modules'), join(path, 'node_modules'));
  // In the package's own folder its name is known.
  await writeFile(
    join(path, 'import.mjs'),
    `const atMs = performance.now();
await import('verdict/client');
console.log(performance.now() - atMs);
`,
  );
  return path;
}

function startsOf(path: string, directory: string): readonly Start[] {
  const command = join(path, 'bin', 'verdict.mjs');
  const ended = async (...args: readonly string[]): Promise<number> => {
    const atMs = performance.now();
    await run(process.execPath, [...args], { timeout: runTimeoutMs });
    return performance.now() - atMs;
  };
  let turn = 0;
  return [
    { what: 'a Node that runs nothing', mostMs: null, one: () => ended('-e', '0') },
    { what: '`verdict --help`', mostMs: 150, one: () => ended(command, '--help') },
    {
      what: "`import 'verdict/client'`",
      mostMs: 60,
      one: async () => {
        const args = [join(path, 'import.mjs')];
        const { stdout } = await run(process.execPath, args, { timeout: runTimeoutMs });
        return Number(stdout);
      },
    },
    {
      what: '`verdict serve`, ready, a new store',
      mostMs: 300,
      one: () => {
        turn += 1;
        return untilReady(command, join(directory, `new-${turn}`));
      },
    },
    {
      what: '`verdict serve`, ready, its store is there',
      mostMs: 300,
      one: () => untilReady(command, join(directory, 'old')),
    },
  ];
}

async function untilReady(command: string, data: string): Promise<number> {
  const listen = `127.0.0.1:${await freePort()}`;
  const atMs = performance.now();
  const args = ['serve', '--data', data, '--listen', listen, '--log-format', 'json'];
  const child = new Child(command, { args });
  try {
    if ((await child.line(/"msg":"Ready\."/)) === null) throw new Error(child.lines.join('\n'));
    return performance.now() - atMs;
  } finally {
    await child.kill();
  }
}
