/**
 * Frames by the million through the decoder, a node's sessions and both SDKs, in one process and
 * without a network.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { type Frame, written } from './frames.ts';
import { NodeUnderFuzz } from './node-under-fuzz.ts';
import { SdksUnderFuzz } from './sdk-under-fuzz.ts';

export interface InProcessOptions {
  readonly frames: number;
  readonly seed: number;
  /** Called now and then, with how many frames are through. */
  readonly progress?: (done: number) => void;
}

export interface InProcessResult {
  readonly frames: number;
  /** What must not have happened, each with the frame at which it showed. */
  readonly faults: readonly string[];
  /** Answers of the node by type, and what the SDKs sent, called and told. */
  readonly node: ReadonlyMap<string, number>;
  readonly sdks: ReadonlyMap<string, number>;
  /** More in the heap at the end than after the first tenth, each time after a collection. */
  readonly heapGrownBytes: number;
  readonly slowestMs: number;
}

interface Target {
  readonly faults: readonly string[];
  next(): Frame | Promise<Frame>;
  pass(byMs: number): Promise<void>;
}

/** Of all frames; the rest goes to the SDKs. */
const nodePart = 0.6;
/** Frames between two turns of the event loop, and what time passes then. */
const perTurn = 10;
const turnMs = 2;
const progressEvery = 5_000;

export async function fuzzInProcess(options: InProcessOptions): Promise<InProcessResult> {
  const { frames, seed } = options;
  const faults: string[] = [];
  const unhandled = (error: unknown): void => {
    faults.push(`unhandled: ${error instanceof Error ? error.stack : String(error)}`);
  };
  process.on('unhandledRejection', unhandled);
  const prototypes = prototypeKeys();
  const node = await NodeUnderFuzz.started(seededRandom(seed));
  const sdks = await SdksUnderFuzz.started(seededRandom(seed + 1));
  const run = new Run(options, faults);
  const forNode = Math.floor(frames * nodePart);
  await run.feed(node, Math.floor(forNode / 10));
  await run.feed(sdks, Math.floor((frames - forNode) / 10));
  const before = heapBytes();
  await run.feed(node, forNode - Math.floor(forNode / 10));
  await run.feed(sdks, frames - run.done);
  const after = heapBytes();
  await node.quiet();
  faults.push(...leftBehind(node));
  await node.stop();
  await sdks.stop();
  if (sdks.clock.timers > 0) faults.push(`the SDKs left ${sdks.clock.timers} timers behind`);
  process.off('unhandledRejection', unhandled);
  if (prototypeKeys() !== prototypes) faults.push('a prototype was polluted');
  return {
    frames: run.done,
    faults,
    node: node.said,
    sdks: sdks.seen,
    heapGrownBytes: after - before,
    slowestMs: run.slowestMs,
  };
}

class Run {
  done = 0;
  slowestMs = 0;
  readonly #options: InProcessOptions;
  readonly #faults: string[];

  constructor(options: InProcessOptions, faults: string[]) {
    this.#options = options;
    this.#faults = faults;
  }

  async feed(target: Target, count: number): Promise<void> {
    let seen = target.faults.length;
    for (let fed = 0; fed < count; fed += 1) {
      const startedMs = performance.now();
      const frame = await target.next();
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs);
      this.done += 1;
      if (fed % perTurn === perTurn - 1) await target.pass(turnMs);
      for (; seen < target.faults.length; seen += 1) {
        this.#faults.push(`${target.faults[seen]}\n  at or just before ${written(frame)}`);
      }
      if (this.done % progressEvery === 0) this.#options.progress?.(this.done);
    }
  }
}

function leftBehind(node: NodeUnderFuzz): string[] {
  const found: string[] = [];
  if (!node.leads) found.push('the node leads no more');
  if (node.connections > 0) found.push(`the node still has ${node.connections} connections`);
  return found;
}

function prototypeKeys(): string {
  return [Object, Array, Function, String, Number, Map, Uint8Array]
    .map(({ prototype }) => Reflect.ownKeys(prototype).map(String).join())
    .join('|');
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
