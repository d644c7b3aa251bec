/** A resource under the whole SDK, on each journal that a service may have: LMDB and SQLite. */
import { afterEach, describe, it } from 'vitest';
import { openerFor } from '../../src/participant/journal-opener.ts';
import type { Journal } from '../../src/ports/journal.ts';
import { Branches } from '../../src/testing/resource-contract/branches.ts';
import type { SdkJournal } from '../../src/testing/resource-contract/scripted-node.ts';
import { resourceUnderSdk } from '../../src/testing/resource-contract/under-sdk.ts';
import { realClock, realRandom, temporaryDirectory } from '../support/logs/stores.ts';
import { directoryHarness } from '../support/resources/hosted-harness.ts';

describe.each(['lmdb', 'sqlite'] as const)(
  'a versioned store, its journal in %s',
  (journalKind) => {
    const cleanUp: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const each of cleanUp.splice(0)) await each();
    });

    function newJournal(): SdkJournal {
      const directory = temporaryDirectory();
      let opened: Journal | null = null;
      const crash = async (): Promise<void> => opened?.close();
      cleanUp.push(async () => {
        await crash();
        directory.remove();
      });
      return {
        crash,
        open: async () => {
          const open = await openerFor(
            { name: 'inventory', urls: [], journalKind },
            directory.path,
          );
          const ports = { clock: realClock, random: realRandom };
          opened = await open({ directory: directory.path, ...ports });
          return opened;
        },
      };
    }

    resourceUnderSdk((what, body) => {
      it(what, async () => {
        const harness = directoryHarness({
          file: './hosted-versioned-store.ts',
          payloadThatWrites: (writes) => ({ writes }),
          payloadThatRefuses: (refuse) => ({ refuse }),
        });
        cleanUp.unshift(() => harness.dispose());
        await harness.start();
        await body(new Branches(harness, true));
      });
    }, newJournal);
  },
);
