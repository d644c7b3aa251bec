/**
 * An attacker in a process of its own. Run: entry.ts NAME TARGET, the latter as JSON in a file. It
 * goes on until it is ended; asked over its channel, it says how much it has done.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { attacks } from './attacks.ts';
import type { Target } from './target.ts';

const [name = '', file = ''] = process.argv.slice(2);
const attack = attacks.find((each) => each.name === name);
if (attack === undefined) throw new Error(`There is no attack ${name}.`);
let done = 0;
process.on('message', () => process.send?.(done));
process.on('disconnect', () => process.exit(0));
console.log('ready');
await attack.run(JSON.parse(readFileSync(file, 'utf8')) as Target, () => {
  done += 1;
});
