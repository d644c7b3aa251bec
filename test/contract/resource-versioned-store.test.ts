import { type HostedProcess, hostResource } from '../support/hosted-resource.ts';
import { temporaryDirectory } from '../support/stores.ts';
import { type ResourceHarness, resourceContract } from './resource.ts';

const module = new URL('../support/hosted-versioned-store.ts', import.meta.url).href;

resourceContract('versioned store', async (): Promise<ResourceHarness> => {
  const directory = temporaryDirectory();
  let host: HostedProcess | null = null;
  const running = (): HostedProcess => {
    if (host === null) throw new Error('Not started.');
    return host;
  };
  return {
    start: async () => {
      host = await hostResource(module, { directory: directory.path });
    },
    get resource() {
      return running().resource;
    },
    payloadThatWrites: (writes) => ({ writes }),
    payloadThatRefuses: (key) => ({ refuse: key }),
    visible: async (key) => (await running().call('visible', key)) as string | null,
    crash: () => running().kill(),
    dispose: async () => {
      await host?.kill();
      directory.remove();
    },
  };
});
