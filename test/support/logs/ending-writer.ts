/**
 * A process that ends, in the way it is told to, in the middle of a transaction of an LMDB store.
 */
import process from 'node:process';
import { lockDirectory } from '../../../src/store/directory-lock.ts';
import { openLmdb } from '../../../src/store/lmdb.ts';
import { exitOnFatal } from '../../../src/store/on-fatal.ts';
import { StoreFailedError } from '../../../src/store/store-failed.ts';
import { exitSoon } from '../../../src/system/exit-guard.ts';
import { tell } from '../process/tell.ts';
import { realClock } from './stores.ts';

export type WayToEnd = 'exit' | 'throw' | 'reject' | 'fatal' | 'soon' | 'in-body';

const ways: Readonly<Record<WayToEnd, () => void>> = {
  exit: () => process.exit(9),
  throw: () => {
    throw new Error('no one catches this');
  },
  reject: () => void Promise.reject(new Error('no one catches this')),
  fatal: () => exitOnFatal(new StoreFailedError('the other store failed')),
  soon: () => exitSoon(130),
  /** By its own body, which a synchronous fault of the program may be in. */
  'in-body': () => undefined,
};

const [directory, way] = process.argv.slice(2) as [string, WayToEnd];
lockDirectory({ directory, purpose: 'a test', clock: realClock });
const store = openLmdb({ directory, file: 'test.mdb', onFatal: exitOnFatal });
await store.transact((keys) => keys.put('a', 1));
process.on('exit', (code) => tell(`exit listener: ${code}`));
const written = store.transact((keys) => {
  keys.put('a', 2);
  if (way === 'in-body') process.exit(9);
});
// By then LMDB's writer has begun, and waits for the body.
setImmediate(() => {
  ways[way]();
  if (way === 'soon') void store.transact(() => tell('a transaction began'));
});
await written;
tell('the answer was told');
