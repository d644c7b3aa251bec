/**
 * Loaded into a process that is measured, before its own program: answers `{ memory: true }` on its
 * channel with what it holds, after a collection of garbage that was forced.
 */
import process from 'node:process';

export interface HeldMemory {
  /** Live objects and what they own outside of the heap. */
  readonly heapBytes: number;
  readonly rssBytes: number;
}

const { gc } = globalThis;

process.on('message', (message) => {
  if (typeof message !== 'object' || message === null || !('memory' in message)) return;
  if (gc === undefined) throw new Error('The probe needs --expose-gc.');
  // The second collects what finalizers of the first have let go.
  gc();
  setImmediate(() => {
    gc();
    const { heapUsed, external, rss } = process.memoryUsage();
    process.send?.({ heapBytes: heapUsed + external, rssBytes: rss } satisfies HeldMemory);
  });
});
// Not for its sake is a process kept alive.
process.channel?.unref();
