/** A journal in a directory of its own, which goes with all that was opened there. */
import type { Journal } from '../../src/ports/journal.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import type { JournalFixture } from './journal.ts';

export async function journalFixture(
  openIn: (at: { readonly directory: string; readonly shared: boolean }) => Promise<Journal>,
): Promise<JournalFixture> {
  const directory = temporaryDirectory();
  const opened: Journal[] = [];
  const open = async (shared: boolean): Promise<Journal> => {
    const journal = await openIn({ directory: directory.path, shared });
    opened.push(journal);
    return journal;
  };
  return {
    open: () => open(false),
    openShared: () => open(true),
    dispose: async () => {
      for (const journal of opened) await journal.close();
      directory.remove();
    },
  };
}
