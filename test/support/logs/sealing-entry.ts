/**
 * Opens a journal and dies by kill -9: as it seals the nth value, or, with 0, once it is open. Run:
 * sealing-entry.ts DIRECTORY KEYS(JSON) N
 */
import process from 'node:process';
import { openLmdbJournal } from '../../../src/journal/lmdb/journal.ts';
import type { EncryptionKeys } from '../../../src/ports/cipher.ts';
import { payloadCipher } from '../../../src/system/payload-cipher.ts';
import { realClock, realRandom } from './stores.ts';

const [directory = '', keys = '', nth = '0'] = process.argv.slice(2);
const cipher = payloadCipher(JSON.parse(keys) as EncryptionKeys);
let left = Number(nth);

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

const journal = await openLmdbJournal({
  directory,
  clock: realClock,
  random: realRandom,
  cipher: {
    current: cipher.current,
    has: (id) => cipher.has(id),
    open: (sealed, context) => cipher.open(sealed, context),
    seal: (plain, context) => {
      left -= 1;
      if (left === 0) die();
      return cipher.seal(plain, context);
    },
  },
});
await journal.load();
die();
