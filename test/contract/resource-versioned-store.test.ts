import { hostedHarness } from '../support/hosted-harness.ts';
import { resourceContract } from './resource.ts';

resourceContract('versioned store', async () =>
  hostedHarness({
    file: './hosted-versioned-store.ts',
    payloadThatWrites: (writes) => ({ writes }),
    payloadThatRefuses: (refuse) => ({ refuse }),
  }),
);
