/** The contract's harness for a resource that runs in a process of its own. */
import type { ResourceHarness, Writes } from '../contract/resource.ts';
import { type HostedProcess, hostResource } from './hosted-resource.ts';
import { temporaryDirectory } from './stores.ts';

export interface HostedHarness extends ResourceHarness {
  call(name: string, argument?: unknown): Promise<unknown>;
}

/** `file` is in this folder, and opens with `{directory}`; its call `visible` tells what a key shows. */
export function hostedHarness(options: {
  readonly file: string;
  readonly payloadThatWrites: (writes: Writes) => unknown;
  readonly payloadThatRefuses: (key: string) => unknown;
}): HostedHarness {
  const module = new URL(options.file, import.meta.url).href;
  const directory = temporaryDirectory();
  let host: HostedProcess | null = null;
  const running = (): HostedProcess => {
    if (host === null) throw new Error('Not started.');
    return host;
  };
  return {
    ...options,
    start: async () => {
      host = await hostResource(module, { directory: directory.path });
    },
    get resource() {
      return running().resource;
    },
    call: (name, argument) => running().call(name, argument),
    visible: async (key) => (await running().call('visible', key)) as string | null,
    crash: () => running().kill(),
    dispose: async () => {
      await host?.kill();
      directory.remove();
    },
  };
}
