/**
 * A process that votes and commits without end and tells each answer on stdout, until it is killed.
 */
import process from 'node:process';
import { makeEpoch } from '../../../src/core/txid.ts';
import { openLmdbJournal } from '../../../src/journal/lmdb/journal.ts';
import { openSqliteJournal } from '../../../src/journal/sqlite/journal.ts';
import { tell } from '../process/tell.ts';
import { realClock, realRandom, txidAt } from './stores.ts';

const [kind, directory, revision, shared] = process.argv.slice(2);
if (directory === undefined || revision === undefined)
  throw new Error('Give kind, directory and revision.');
const open = kind === 'sqlite' ? openSqliteJournal : openLmdbJournal;
const journal = await open({
  directory,
  shared: shared === 'shared',
  clock: realClock,
  random: realRandom,
});
const epoch = makeEpoch({ generation: 0, revision: BigInt(revision) });
let sequence = 0;

async function voteForEver(): Promise<never> {
  for (;;) {
    sequence += 1;
    const key = { txid: txidAt(epoch, sequence), branch: 'b' };
    const say = (state: string): void => {
      tell(`${JSON.stringify({ txid: key.txid, state })}`);
    };
    const vote = { ...key, state: 'prepared', epoch, witness: null, payload: {}, atMs: 1 } as const;
    const voted = await journal.vote(vote);
    if (voted.kind !== 'written') throw new Error(`Not written: ${JSON.stringify(voted)}`);
    say('prepared');
    const committed = await journal.committed(key);
    if (committed.kind === 'written') say('committed');
  }
}

await Promise.all(Array.from({ length: 4 }, voteForEver));
