/**
 * Loaded into a process that is measured, before its program. On its channel it answers
 * `{ memory: true }` with what it holds, after a collection of garbage that was forced;
 * `{ messages: 'count' }`, then `{ messages: 'stop' }` with what came and went in between; and
 * `{ profile: 'start' }`, then `{ profile: 'stop' }` with where its main thread was in between.
 * Counting costs nothing before and after.
 */
import { Session } from 'node:inspector/promises';
import process from 'node:process';
import { Unpackr } from 'msgpackr';
import { WebSocket } from 'ws';

export interface HeldMemory {
  /** Live objects and what they own outside of the heap. */
  readonly heapBytes: number;
  readonly rssBytes: number;
}

/** How long a function itself ran, called in one of its ways. */
export interface SelfTime {
  readonly function: string;
  /** As V8 names it; '' for what is no JavaScript. */
  readonly file: string;
  readonly line: number;
  readonly us: number;
}

/** Over all WebSockets of the process; messages by their type. */
export interface Traffic {
  readonly sent: Readonly<Record<string, number>>;
  readonly received: Readonly<Record<string, number>>;
  readonly framesSent: number;
  readonly framesReceived: number;
  /** Of all frames, without their headers. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

const { gc } = globalThis;

process.on('message', (message) => {
  if (typeof message !== 'object' || message === null) return;
  if ('memory' in message) tellMemory();
  else if ('profile' in message) void tellProfile(message.profile === 'start');
  else if ('messages' in message) tellMessages(message.messages === 'count');
});
// Not for its sake is a process kept alive.
process.channel?.unref();

function tellMemory(): void {
  if (gc === undefined) throw new Error('The probe needs --expose-gc.');
  // The second collects what finalizers of the first have let go.
  gc();
  setImmediate(() => {
    gc();
    const { heapUsed, external, rss } = process.memoryUsage();
    process.send?.({ heapBytes: heapUsed + external, rssBytes: rss } satisfies HeldMemory);
  });
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const { prototype } = WebSocket;
const { send, emit } = prototype;
let counted = none();

function none() {
  const types = (): Record<string, number> => ({});
  const sums = { framesSent: 0, framesReceived: 0, bytesSent: 0, bytesReceived: 0 };
  return { sent: types(), received: types(), ...sums };
}

const inspector = new Session();
const sampleUs = 250;

async function tellProfile(starts: boolean): Promise<void> {
  if (starts) {
    inspector.connect();
    await inspector.post('Profiler.enable');
    await inspector.post('Profiler.setSamplingInterval', { interval: sampleUs });
    await inspector.post('Profiler.start');
    process.send?.([]);
    return;
  }
  const { profile } = await inspector.post('Profiler.stop');
  inspector.disconnect();
  const { nodes, samples = [], timeDeltas = [] } = profile;
  const selfUs = new Map<number, number>();
  for (const [at, id] of samples.entries()) {
    selfUs.set(id, (selfUs.get(id) ?? 0) + (timeDeltas[at] ?? 0));
  }
  const callers = new Map(
    nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.callFrame] as const)),
  );
  process.send?.(
    nodes.flatMap(({ id, callFrame: { functionName: name, url, lineNumber } }): SelfTime[] => {
      const us = selfUs.get(id);
      // An addon's function has no name.
      const functionName = name === '' && url === '' ? `of ${callers.get(id)?.functionName}` : name;
      return us === undefined
        ? []
        : [{ function: functionName, file: url, line: lineNumber + 1, us }];
    }),
  );
}

function tellMessages(count: boolean): void {
  process.send?.(counted satisfies Traffic);
  counted = none();
  prototype.send = count ? countingSend : send;
  prototype.emit = count ? countingEmit : emit;
}

function countingSend(this: WebSocket, ...args: readonly unknown[]): void {
  counted.framesSent += 1;
  counted.bytesSent += countMessages(counted.sent, args[0]);
  Reflect.apply(send, this, args);
}

function countingEmit(this: WebSocket, ...args: readonly unknown[]): boolean {
  if (args[0] === 'message') {
    counted.framesReceived += 1;
    counted.bytesReceived += countMessages(counted.received, args[1]);
  }
  return Reflect.apply(emit, this, args);
}

/** How many bytes they have. Text is spoken by people's tools alone. */
function countMessages(types: Record<string, number>, data: unknown): number {
  if (!(data instanceof Uint8Array)) return 0;
  unpackr.unpackMultiple(data, (message: { readonly type?: unknown }) => {
    const type = String(message.type);
    types[type] = (types[type] ?? 0) + 1;
  });
  return data.length;
}
