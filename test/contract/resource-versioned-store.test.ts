import { directoryHarness } from '../support/resources/hosted-harness.ts';
import { resourceContract } from './resource.ts';

resourceContract('versioned store', async () =>
  directoryHarness({
    file: './hosted-versioned-store.ts',
    payloadThatWrites: (writes) => ({ writes }),
    payloadThatRefuses: (refuse) => ({ refuse }),
  }),
);
