/** The child of hosted-resource.ts: opens one resource and answers its parent's calls. */
import process from 'node:process';
import type { BranchCall, PrepareCall } from '../../../src/ports/resource.ts';
import type { FromHost, Hosted, OpenHosted, ToHost } from './hosted-resource.ts';

const signals = new Map<number, AbortController>();
let hosted: Hosted | null = null;

process.on('message', (message) => void received(message as ToHost));
// The parent ended, however it did.
process.on('disconnect', () => process.exit(0));

async function received(message: ToHost): Promise<void> {
  switch (message.kind) {
    case 'open': {
      const { open } = (await import(message.module)) as { open: OpenHosted<unknown> };
      hosted = await open(message.settings);
      return tell({ kind: 'open' });
    }
    case 'signal':
      return signals.get(message.id)?.abort();
    case 'call':
      try {
        tell({ kind: 'done', id: message.id, value: await call(message) });
      } catch (error) {
        tell({ kind: 'failed', id: message.id, message: (error as Error).message });
      }
  }
}

async function call({ id, name, argument }: Extract<ToHost, { kind: 'call' }>): Promise<unknown> {
  if (hosted === null) throw new Error('No resource is open yet.');
  const { resource, calls } = hosted;
  switch (name) {
    case 'prepare':
      return prepare(id, argument as Omit<PrepareCall<unknown>, 'signal' | 'working'>, hosted);
    case 'commit':
      return resource.commit(argument as BranchCall<unknown>);
    case 'rollback':
      return resource.rollback(argument as BranchCall<unknown>);
    case 'inDoubt':
      return [...(await resource.inDoubt())];
    default: {
      const found = calls[name];
      if (found === undefined) throw new Error(`The module has no call "${name}".`);
      return found(argument as never);
    }
  }
}

async function prepare(
  id: number,
  data: Omit<PrepareCall<unknown>, 'signal' | 'working'>,
  { resource }: Hosted,
): Promise<unknown> {
  const controller = new AbortController();
  signals.set(id, controller);
  try {
    const working = (): void => tell({ kind: 'working', id });
    return await resource.prepare({ ...data, signal: controller.signal, working });
  } finally {
    signals.delete(id);
  }
}

function tell(message: FromHost): void {
  if (process.connected === true) process.send?.(message);
}
