import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { PayloadCipher } from '../../ports/cipher.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Journal } from '../../ports/journal.ts';
import type { Random } from '../../ports/random.ts';
import type { OnFatal } from '../../store/lmdb.ts';
import { openOwnedStore } from '../../store/owned-store.ts';
import { readHeader, sealedHeader } from '../../store/store-format.ts';
import { agreeOnInstance } from '../instance.ts';
import { journalHeader } from '../journal-rules.ts';
import { journalContents } from '../keys.ts';
import { assertKind, isOfKind, journalFiles } from '../kinds.ts';
import { asJournalError, LocalJournal } from '../local-journal.ts';

export interface LmdbJournalOptions {
  /** Made where it is missing. It belongs to this journal alone. */
  readonly directory: string;
  /**
   * Several processes of one shared resource use it at once: LMDB's own lock orders their
   * transactions. All of them must say so. Default: one owner.
   */
  readonly shared?: boolean;
  /** Seals payloads, results and reasons. Default: they are kept in clear. */
  readonly cipher?: PayloadCipher;
  readonly clock: Clock;
  readonly random: Random;
  /** Called once, when a write failed. Default: says why on stderr and ends the process with 70. */
  readonly onFatal?: OnFatal;
}

export const journalFile: string = journalFiles.lmdb;

/** Rejects with JournalError where the directory has an owner, or its store cannot be read. */
export async function openLmdbJournal(options: LmdbJournalOptions): Promise<Journal> {
  const { directory, shared = false, cipher = null, clock, random, onFatal } = options;
  try {
    assertKind(directory, 'lmdb');
    const isNew = !isOfKind(directory, 'lmdb');
    const { store, begun: instance } = await openOwnedStore({
      directory,
      file: journalFile,
      purpose: 'participant journal',
      shared,
      clock,
      onFatal,
      sealing: { cipher, contents: journalContents },
      check: (keys) => {
        assertStillKind(directory, isNew);
        readHeader(keys, sealedHeader(journalHeader));
      },
      begin: (keys) => agreeOnInstance(keys, random, { sealed: cipher !== null }),
    });
    return new LocalJournal({ instance, clock, shared, store });
  } catch (error) {
    throw asJournalError(error);
  }
}

/** With the file made and locked. One that was made just now goes again. */
function assertStillKind(directory: string, isNew: boolean): void {
  try {
    assertKind(directory, 'lmdb');
  } catch (error) {
    if (isNew) {
      rmSync(resolve(directory, journalFile), { force: true });
      assertKind(directory, 'lmdb');
    }
    throw error;
  }
}
