import { getHeapStatistics } from 'node:v8';

/** How large the heap of this process may grow: what --max-old-space-size says, or what Node makes of the machine's or the container's memory. */
export function heapLimitBytes(): number {
  return getHeapStatistics().heap_size_limit;
}
