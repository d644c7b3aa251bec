/**
 * `npm run fuzz`: frames that no honest peer sends, against a live node among people at work; or,
 * by the million, against the same code in this process.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { percentageOf, shownLatencies, shownMemory } from './figures.ts';
import { fuzzInProcess } from './in-process.ts';
import { fuzzLive } from './live.ts';

const { values } = parseArgs({
  options: {
    frames: { type: 'string' },
    seed: { type: 'string' },
    'in-process': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run fuzz -- [--frames N] [--seed S] [--in-process]

Sends mutated and raw frames over real WebSockets, from connections of every role, to a node with participants and
clients at work; then everything must add up, and the node's memory must be about what it was.
  --frames N     how many (default 100,000; with --in-process 1,000,000)
  --seed S       draws the frames (default: by chance, and printed)
  --in-process   no network: through the decoder and the sessions of a node, and both SDKs, in this process
Ends with 1 where something is wrong.`);
  process.exit(0);
}
const inProcess = values['in-process'];
const frames = Number(values.frames ?? (inProcess ? 1_000_000 : 100_000));
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
if (!(Number.isInteger(frames) && frames > 0) || !Number.isInteger(seed)) {
  console.error('--frames and --seed are whole numbers; --frames is above 0.');
  process.exit(2);
}
const again = `npm run fuzz -- --frames ${frames} --seed ${seed}${inProcess ? ' --in-process' : ''}`;
const progressMs = 5_000;
const maxShown = 20;

const startedMs = performance.now();
let toldMs = startedMs;
console.log(`${frames} frames, seed ${seed}. Again: ${again}`);
const faults = inProcess ? await throughThisProcess() : await againstNode();
console.log(`It took ${seconds(performance.now() - startedMs)} s.`);
if (faults.length === 0) {
  console.log('Everything adds up.');
} else {
  console.log(`\n${faults.length} things are wrong:`);
  for (const fault of faults.slice(0, maxShown)) console.log(`  ${fault}`);
  console.log(`\nAgain: ${again}`);
}
process.exit(faults.length === 0 ? 0 : 1);

async function throughThisProcess(): Promise<readonly string[]> {
  const result = await fuzzInProcess({
    frames,
    seed,
    progress: (done) => tell(`${percentageOf(done, frames)} of the frames`),
  });
  console.log(`The node said: ${counted(result.node)}.`);
  console.log(`The SDKs: ${counted(result.sdks)}.`);
  console.log(
    `Heap: ${shownMemory(result.heapGrownBytes)} more than after the first tenth. Slowest frame: ${result.slowestMs.toFixed(0)} ms.`,
  );
  return result.faults;
}

async function againstNode(): Promise<readonly string[]> {
  const result = await fuzzLive({ frames, seed, progress: tell });
  const { before, after } = result.memory;
  console.log(
    `${result.frames} frames by ${result.connections} connections. ${result.decisions} decisions in the log. Good clients' calls: ${result.calls}.`,
  );
  console.log(
    `The node's memory, before and after: heap ${shownMemory(before.heapUsed)} and ${shownMemory(after.heapUsed)}, resident ${shownMemory(before.rss)} and ${shownMemory(after.rss)}.`,
  );
  console.log(shownLatencies(result));
  return result.faults;
}

function tell(text: string): void {
  const nowMs = performance.now();
  if (nowMs - toldMs < progressMs) return;
  toldMs = nowMs;
  console.log(`${seconds(nowMs - startedMs).padStart(5)} s  ${text}`);
}

function counted(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(0);
}
