/** A process that locks a directory, says so, and keeps it until it is killed. */
import process from 'node:process';
import { lockDirectory } from '../../../src/store/directory-lock.ts';
import { realClock } from '../logs/stores.ts';
import { tell } from './tell.ts';

const directory = process.argv[2];
if (directory === undefined) throw new Error('Give the directory.');
lockDirectory({ directory, purpose: 'holder', clock: realClock });
tell('locked');
setInterval(() => undefined, 60_000);
