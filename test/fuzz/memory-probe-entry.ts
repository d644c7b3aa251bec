/**
 * Loaded into the node under fuzz, ahead of its own code (`node --import`): on SIGUSR2 it collects
 * garbage, and writes what is left as a line of its own. As the last resort, so that the pages
 * which V8 keeps for what may come (a hundred MiB after a busy minute) are given back and not
 * counted.
 */
import { writeSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (how: object) => void;
const thorough = { type: 'major', execution: 'sync', flavor: 'last-resort' };

process.on('SIGUSR2', () => {
  collect(thorough);
  // What was freed by finalizers goes with the next one.
  setImmediate(() => {
    collect(thorough);
    const { rss, heapUsed, external } = process.memoryUsage();
    writeSync(1, `${JSON.stringify({ memory: { rss, heapUsed, external } })}\n`);
  });
});
