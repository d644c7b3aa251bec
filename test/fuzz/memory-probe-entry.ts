/**
 * Loaded into the node under fuzz, ahead of its own code (`node --import`): on SIGUSR2 it collects
 * garbage, and writes what is left as a line of its own.
 */
import { writeSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('SIGUSR2', () => {
  collect();
  // What was freed by finalizers goes with the next one.
  setImmediate(() => {
    collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    writeSync(1, `${JSON.stringify({ memory: { rss, heapUsed, external } })}\n`);
  });
});
