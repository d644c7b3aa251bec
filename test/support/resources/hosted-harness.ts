/** The contract's harness for a resource that runs in a process of its own. */
import type { ResourceHarness, Writes } from '../../contract/resource.ts';
import { temporaryDirectory } from '../logs/stores.ts';
import { type HostedProcess, hostResource } from './hosted-resource.ts';

export interface HostedHarness extends ResourceHarness {
  call(name: string, argument?: unknown): Promise<unknown>;
}

export interface HostedHarnessOptions {
  /** In this folder; what it exports is told in hosted-resource.ts. */
  readonly file: string;
  /** What it opens with. */
  readonly settings: unknown;
  readonly payloadThatWrites: (writes: Writes) => unknown;
  readonly payloadThatRefuses: (key: string) => unknown;
  /** Default: its call `visible` tells. */
  readonly visible?: (key: string) => Promise<string | null>;
  /** Removes the data; the process has ended. */
  readonly remove: () => Promise<void> | void;
}

export function hostedHarness(options: HostedHarnessOptions): HostedHarness {
  const { payloadThatWrites, payloadThatRefuses } = options;
  const module = new URL(options.file, import.meta.url).href;
  let host: HostedProcess | null = null;
  const running = (): HostedProcess => {
    if (host === null) throw new Error('Not started.');
    return host;
  };
  const visible = async (key: string): Promise<string | null> =>
    (await running().call('visible', key)) as string | null;
  return {
    payloadThatWrites,
    payloadThatRefuses,
    start: async () => {
      host = await hostResource(module, options.settings);
    },
    get resource() {
      return running().resource;
    },
    call: (name, argument) => running().call(name, argument),
    visible: options.visible ?? visible,
    crash: () => running().kill(),
    dispose: async () => {
      await host?.kill();
      await options.remove();
    },
  };
}

/** For one that keeps its data in a directory, and opens with `{directory}`. */
export function directoryHarness(
  options: Pick<HostedHarnessOptions, 'file' | 'payloadThatWrites' | 'payloadThatRefuses'>,
): HostedHarness {
  const directory = temporaryDirectory();
  const settings = { directory: directory.path };
  return hostedHarness({ ...options, settings, remove: () => directory.remove() });
}
