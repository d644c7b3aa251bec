import { getHeapStatistics } from 'node:v8';

/** By --max-old-space-size, or what Node makes of the memory of the machine or the container. */
export function heapLimitBytes(): number {
  return getHeapStatistics().heap_size_limit;
}
