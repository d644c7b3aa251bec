/** `verdict top`: asks every node again and again, and shows what happened in between. */
import { systemClock } from '../../system/clock.ts';
import { pauseOrAbort } from '../../system/pause.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { LineWriter } from '../line-writer.ts';
import { EveryNode } from '../operator/every-node.ts';
import { widthOf } from '../table.ts';
import { colorsFor, jsonText } from '../text.ts';
import type { TopFlags } from './command.ts';
import { type Sorting, sortings, topLines } from './lines.ts';
import { type Snapshot, TopModel } from './model.ts';
import { LiveTerminal } from './terminal.ts';

type Context = TopFlags & { readonly io: Io };

/** A node that does not answer in this time is shown as gone. */
const answerMs = 1_000;

export async function top(context: Context): Promise<ExitCode> {
  const nodes = new EveryNode(context);
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener('abort', () => {
      // What is asked and not answered ends with the connections.
      void nodes.close();
      resolve();
    });
  });
  let exitCode: ExitCode = exitCodes.ok;
  const stopWith = (code: ExitCode): void => {
    if (stop.signal.aborted) return;
    exitCode = code;
    stop.abort();
  };
  const release = context.io.onStopSignal((signal) =>
    stopWith(signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated),
  );
  try {
    await Promise.race([nodes.connect(), stopped]);
    const poll = new Poll(context, nodes, stop.signal);
    if (context.json) await asLines(context, poll, { stopped, stopWith });
    else if (context.once || context.io.stdout.isTTY !== true) await asOne(context, poll);
    else await live(context, poll, stopWith);
  } finally {
    release();
    await nodes.close();
  }
  return exitCode;
}

/** Readings one interval apart, however long the answers take. */
class Poll {
  readonly #signal: AbortSignal;
  readonly #nodes: EveryNode;
  readonly #model = new TopModel();
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  #nextAtMs: number | null = null;

  constructor({ interval, timeout }: Context, nodes: EveryNode, signal: AbortSignal) {
    this.#nodes = nodes;
    this.#intervalMs = interval;
    this.#timeoutMs = Math.min(timeout, Math.max(answerMs, interval));
    this.#signal = signal;
  }

  /** The first at once. Null: it was stopped. */
  async next(): Promise<Snapshot | null> {
    const { monotonicMs } = systemClock;
    if (this.#nextAtMs !== null) {
      await pauseOrAbort(systemClock, Math.max(0, this.#nextAtMs - monotonicMs()), this.#signal);
    }
    if (this.#signal.aborted) return null;
    this.#nextAtMs = Math.max((this.#nextAtMs ?? monotonicMs()) + this.#intervalMs, monotonicMs());
    const answers = await this.#nodes.ask('stats', this.#timeoutMs);
    if (this.#signal.aborted) return null;
    return this.#model.take({
      cluster: this.#nodes.cluster,
      answers,
      leaders: this.#nodes.leaders(),
      silent: this.#nodes.silent(),
      nowMs: monotonicMs(),
      wallMs: systemClock.wallMs(),
    });
  }
}

/** One object a line, the first after two readings. */
async function asLines(
  { io, once }: Context,
  poll: Poll,
  { stopped, stopWith }: { stopped: Promise<void>; stopWith: (code: ExitCode) => void },
): Promise<void> {
  const writer = new LineWriter(io.stdout, { onEnd: () => stopWith(exitCodes.outputGone) });
  await poll.next();
  for (;;) {
    const snapshot = await poll.next();
    if (snapshot === null) break;
    writer.line(jsonText(snapshot));
    await Promise.race([writer.room(), stopped]);
    if (once) break;
  }
  await writer.finish();
}

async function asOne({ io }: Context, poll: Poll): Promise<void> {
  await poll.next();
  const snapshot = await poll.next();
  if (snapshot === null) return;
  const writer = new LineWriter(io.stdout);
  const lines = topLines(snapshot, {
    width: widthOf(io.stdout),
    height: Number.POSITIVE_INFINITY,
    colors: colorsFor(io.stdout, io.env),
    sorting: 'in flight',
    paused: false,
    keys: false,
  });
  for (const line of lines) writer.line(line);
  await writer.finish();
}

async function live(
  { io }: Context,
  poll: Poll,
  stopWith: (code: ExitCode) => void,
): Promise<void> {
  const colors = colorsFor(io.stdout, io.env);
  let snapshot: Snapshot | null = null;
  let sorting: Sorting = 'in flight';
  let paused = false;
  const draw = (): void => {
    if (snapshot === null) return;
    const { width, height } = terminal;
    const view = { width, height, colors, sorting, paused, keys: true };
    terminal.draw(topLines(snapshot, view));
  };
  const terminal = new LiveTerminal(io, {
    key: (key) => {
      // Ctrl-C is a key where every key is told at once.
      if (key === '\u0003') stopWith(exitCodes.interrupted);
      else if (key === 'q' || key === 'Q' || key === '\u0004') stopWith(exitCodes.ok);
      else if (key === 'p' || key === ' ') paused = !paused;
      else if (key === 's') sorting = after(sorting);
      else return;
      draw();
    },
    resized: draw,
    gone: () => stopWith(exitCodes.outputGone),
  });
  terminal.open();
  try {
    for (;;) {
      const next = await poll.next();
      if (next === null) break;
      // It goes on reading, so that what comes after the pause is of now.
      if (!paused || snapshot === null) snapshot = next;
      draw();
    }
  } finally {
    terminal.close();
  }
}

function after(sorting: Sorting): Sorting {
  return sortings[(sortings.indexOf(sorting) + 1) % sortings.length] ?? sorting;
}
