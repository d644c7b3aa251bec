/**
 * `npm run bench`: the product against a bare skeleton of itself, in one run, on this machine.
 *
 * Both run as three processes - coordinator, three participants, client - over WebSockets on
 * 127.0.0.1, with the same messages and the same flushes. The ratio is what the state machines, the
 * validation, the timers and the promises kept cost; the absolute figures are this machine's.
 * Rounds alternate between the two, since machines drift.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { connect } from '../../src/client.ts';
import { shownLatencies, slowdown } from '../fuzz/figures.ts';
import { fuzzLive, type LiveResult } from '../fuzz/live.ts';
import { closedLoop, type Measured } from './load.ts';
import { manyServices, type ServicesResult } from './services.ts';
import { type Fields, SkeletonConnection } from './skeleton-wire.ts';
import { oneStalled, type StalledResult } from './stalled.ts';

const names = ['a', 'b', 'c'];
const startTimeoutMs = 20_000;
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    'in-flight': { type: 'string', default: '1,16,64,256,1024' },
    'attack-frames': { type: 'string', default: '10000' },
    'stalled-seconds': { type: 'string', default: '6' },
    'services-seconds': { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run bench -- [--seconds N] [--rounds N] [--in-flight N,N,...] [--attack-frames N] [--stalled-seconds N] [--services-seconds N] [--json]

Transactions of three branches against a bare skeleton of the same messages and flushes.
  --seconds N   length of one measurement (default 2)
  --rounds N    measurements of each; the median counts (default 3)
  --in-flight   how many transactions at a time (default 1,16,64,256,1024)
  --attack-frames N   hostile frames while good clients work (default 10000; 0: leave this out); see npm run fuzz
  --stalled-seconds N  each phase with 1 of 20 participants stalled, and without (default 6; 0: leave this out)
  --services-seconds N  300 participants, 1,000 connections, 2 to 64 branches (default 5; 0: leave this out)
  --json        one JSON object in place of the table`);
  process.exit(0);
}
const durationMs = Number(values.seconds) * 1_000;
const rounds = Number(values.rounds);
const levels = values['in-flight'].split(',').map(Number);
const attackFrames = Number(values['attack-frames']);
const stalledMs = Number(values['stalled-seconds']) * 1_000;
const servicesMs = Number(values['services-seconds']) * 1_000;
const whole = (number: number): boolean => Number.isInteger(number) && number >= 1;
const wholes = whole(rounds) && levels.every(whole) && whole(attackFrames + 1);
if (!(durationMs > 0 && stalledMs >= 0 && servicesMs >= 0) || !wholes) {
  console.error(
    '--seconds, --rounds and --in-flight must be positive, no other negative; --rounds, --in-flight and --attack-frames whole numbers.',
  );
  process.exit(2);
}

const children: ChildProcess[] = [];
const directory = await mkdtemp(join(tmpdir(), 'verdict-bench-'));
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
process.on('SIGINT', () => process.exit(130));

try {
  const product = await startProduct();
  const skeleton = await startSkeleton();
  const rows: Row[] = [];
  for (const inFlight of levels) {
    const measured: { product: Measured[]; skeleton: Measured[] } = { product: [], skeleton: [] };
    for (let round = 0; round < rounds; round += 1) {
      progress(`${inFlight} in flight, round ${round + 1} of ${rounds}`);
      measured.product.push(await closedLoop({ inFlight, durationMs, one: product.one }));
      measured.skeleton.push(await closedLoop({ inFlight, durationMs, one: skeleton.one }));
    }
    rows.push({ inFlight, product: median(measured.product), skeleton: median(measured.skeleton) });
  }
  progress('');
  await product.close();
  skeleton.close();
  const attack = attackFrames === 0 ? null : await underAttack();
  const stalled = stalledMs === 0 ? null : await withOneStalled();
  const services = servicesMs === 0 ? null : await withManyServices();
  progress('');
  report({ rows, attack, stalled, services });
} finally {
  for (const child of children) child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
}
process.exit(0);

interface Row {
  readonly inFlight: number;
  readonly product: Measured;
  readonly skeleton: Measured;
}

/** Latencies of good clients, without and with hostile connections beside them. */
async function underAttack(): Promise<LiveResult> {
  for (const child of children) child.kill('SIGKILL');
  const result = await fuzzLive({ frames: attackFrames, seed: 1, progress });
  progress('');
  if (result.faults.length > 0) throw new Error(result.faults.join('\n'));
  return result;
}

function withOneStalled(): Promise<StalledResult> {
  return oneStalled({
    directory: join(directory, 'stalled'),
    rounds,
    durationMs: stalledMs,
    inFlight: 32,
    progress,
  });
}

function withManyServices(): Promise<ServicesResult> {
  return manyServices({
    directory: join(directory, 'services'),
    durationMs: servicesMs,
    inFlight: 32,
    progress,
  });
}

async function startProduct(): Promise<{ one: () => Promise<void>; close: () => Promise<void> }> {
  const node = start(here('./node.ts'), [join(directory, 'node')]);
  const port = await firstLine(node);
  await firstLine(
    start(here('./participants.ts'), [join(directory, 'participants'), port, ...names]),
  );
  const client = await connect({ urls: [`127.0.0.1:${port}`] });
  const branches = names.map((participant) => ({
    participant,
    payload: { amount: 1, key: 'abc' },
  }));
  return {
    one: async () => {
      const outcome = await client.transact({ branches });
      if (outcome.outcome !== 'committed') throw new Error(`aborted: ${outcome.reason.message}`);
    },
    close: () => client.close(),
  };
}

async function startSkeleton(): Promise<{ one: () => Promise<void>; close: () => void }> {
  const port = await firstLine(
    start(here('./skeleton-node.ts'), [join(directory, 'skeleton-node')]),
  );
  await firstLine(
    start(here('./skeleton-participants.ts'), [join(directory, 'skeleton'), port, ...names]),
  );
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
  const waiting = new Map<unknown, () => void>();
  const connection = new SkeletonConnection(socket, (message: Fields) => {
    if (message['type'] !== 'outcome') return;
    waiting.get(message['id'])?.();
    waiting.delete(message['id']);
  });
  await new Promise((resolve) => socket.once('open', resolve));
  const branches = names.map((participant) => ({
    participant,
    payload: { amount: 1, key: 'abc' },
  }));
  let nextId = 1;
  return {
    one: () =>
      new Promise((resolve) => {
        const id = nextId++;
        waiting.set(id, resolve);
        connection.send({ type: 'transact', id, announce: true, branches });
      }),
    close: () => socket.close(),
  };
}

function start(file: string, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [file, ...args], {
    // The channel tells the child when this process is gone.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  children.push(child);
  return child;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('A process of the bench did not start.')),
      startTimeoutMs,
    );
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const end = text.indexOf('\n');
      if (end < 0) return;
      clearTimeout(timer);
      resolve(text.slice(0, end).trim());
    });
    child.once('exit', (code) => reject(new Error(`A process of the bench ended with ${code}.`)));
  });
}

function median(list: readonly Measured[]): Measured {
  const sorted = [...list].sort((a, b) => a.perSecond - b.perSecond);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('nothing was measured');
  return middle;
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`);
}

function report(measured: {
  readonly rows: readonly Row[];
  readonly attack: LiveResult | null;
  readonly stalled: StalledResult | null;
  readonly services: ServicesResult | null;
}): void {
  const { rows, attack, stalled, services } = measured;
  if (values.json) {
    const { quiet = null, attacked = null } = attack ?? {};
    const under = attack === null ? null : { quiet, attacked, slowdown: slowdown(attack) };
    console.log(
      JSON.stringify({
        cpus: cpus().length,
        node: process.version,
        rows,
        under,
        stalled,
        services,
      }),
    );
    return;
  }
  const cell = (text: string, width = 10): string => text.padStart(width);
  const first = rows.find(({ inFlight }) => inFlight === 1);
  console.log(`Verdict, single mode, 3 branches, ${cpus().length} cores, Node ${process.version}`);
  if (first !== undefined) {
    console.log(
      `One-shot at 1 in flight: p50 ${first.product.p50Ms.toFixed(2)} ms, p99 ${first.product.p99Ms.toFixed(2)} ms` +
        ` (skeleton ${first.skeleton.p50Ms.toFixed(2)} / ${first.skeleton.p99Ms.toFixed(2)} ms)`,
    );
  }
  console.log(
    `${cell('in flight')}${cell('tx/s')}${cell('p50 ms')}${cell('p99 ms')}${cell('skeleton', 12)}${cell('p50 ms')}${cell('ratio', 8)}`,
  );
  for (const { inFlight, product, skeleton } of rows) {
    console.log(
      cell(String(inFlight)) +
        cell(product.perSecond.toFixed(0)) +
        cell(product.p50Ms.toFixed(2)) +
        cell(product.p99Ms.toFixed(2)) +
        cell(skeleton.perSecond.toFixed(0), 12) +
        cell(skeleton.p50Ms.toFixed(2)) +
        cell(`${((product.perSecond / skeleton.perSecond) * 100).toFixed(0)}%`, 8),
    );
  }
  if (attack !== null) console.log(shownLatencies(attack));
  if (stalled !== null) console.log(shownStalled(stalled));
  if (services !== null) console.log(shownServices(services));
}

function shownStalled({
  throughputRatio,
  p99Ratio,
  rounds: all,
  told,
  backMs,
}: StalledResult): string {
  const each = all.map(({ quiet, stalled }) => {
    const one = (measured: Measured): string =>
      `${measured.perSecond.toFixed(0)} tx/s, p99 ${measured.p99Ms.toFixed(1)} ms`;
    return `  quiet ${one(quiet)}; stalled ${one(stalled)}`;
  });
  return [
    `1 of 20 participants stalled, those that do not touch it: ${(throughputRatio * 100).toFixed(0)}% of the throughput (aim: 95%), p99 times ${p99Ratio.toFixed(2)} (aim: 1.5)`,
    ...each,
    `  those that touch it were told ${JSON.stringify(told)}; first commit ${backMs.toFixed(0)} ms after it was back`,
  ].join('\n');
}

function shownServices(measured: ServicesResult): string {
  const { perSecond, branchesPerSecond, p50Ms, p99Ms } = measured;
  return (
    `300 participants, 1,000 connections, 2 to 64 branches: ${perSecond.toFixed(0)} tx/s, ` +
    `${branchesPerSecond.toFixed(0)} branches/s, p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms`
  );
}
