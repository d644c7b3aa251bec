/** `verdict raise-generation`: the operator's part after etcd was brought back from an old copy. */
import { confirm, requireTerminal } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { answer } from './context.ts';
import { type EtcdPlace, withEtcdReader } from './etcd-reader.ts';

export interface RaiseGenerationOptions extends EtcdPlace {
  readonly io: Io;
  /** Do not ask. */
  readonly sure: boolean;
  readonly json: boolean;
}

const question =
  'Commits that etcd lost with its newer state are lost for good, and participants in doubt about them will abort. Are all nodes stopped, and is there no newer copy of etcd? Go on?';

export async function raiseGeneration(options: RaiseGenerationOptions): Promise<ExitCode> {
  const { io, cluster, sure } = options;
  if (!sure) {
    requireTerminal(io, 'raise-generation gives up what a restored etcd has lost');
    if (!(await confirm(io, question))) return exitCodes.notDone;
  }
  const generation = await withEtcdReader(options, (reader) => reader.raiseGeneration());
  await answer(options, {
    value: { cluster, generation },
    lines: () => [`${cluster} is at generation ${generation}. Its nodes may start.`],
  });
  return exitCodes.ok;
}
