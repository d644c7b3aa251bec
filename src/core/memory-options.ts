import type { CoordinatorOptions } from './coordinator-options.ts';

/** What one remembered request id takes, all told. */
const requestBytes = 512;

/** Fills in what is left to follow the heap. Request ids alone may take a quarter of it. */
export function memoryOptions(options: CoordinatorOptions, heapBytes: number): CoordinatorOptions {
  const part = (bytes: number, parts: number): number =>
    bytes === 0 ? Math.floor(heapBytes / parts) : bytes;
  return {
    ...options,
    maxInputBytes: part(options.maxInputBytes, 16),
    maxOutputBytes: part(options.maxOutputBytes, 8),
    maxHeldBytes: part(options.maxHeldBytes, 4),
    maxRequests: Math.min(
      options.maxRequests,
      Math.max(1, Math.floor(heapBytes / 4 / requestBytes)),
    ),
  };
}
