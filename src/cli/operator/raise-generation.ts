/** `verdict raise-generation`: the operator's part after etcd was brought back from an old copy. */
import { confirm, requireTerminal } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { answer } from './context.ts';
import { type EtcdContext, withEtcdReader } from './etcd-reader.ts';

const question =
  'Commits that etcd lost with its newer state are lost for good, and participants in doubt about them will abort. Are all nodes stopped, and is there no newer copy of etcd? Go on?';

export async function raiseGeneration(context: EtcdContext): Promise<ExitCode> {
  const { io, cluster, yes } = context;
  if (!yes) {
    requireTerminal(io, 'raise-generation gives up what a restored etcd has lost');
    if (!(await confirm(io, question))) return exitCodes.notDone;
  }
  const generation = await withEtcdReader(context, (reader) => reader.raiseGeneration());
  await answer(context, { cluster, generation }, () => [
    `${cluster} is at generation ${generation}. Its nodes may start.`,
  ]);
  return exitCodes.ok;
}
