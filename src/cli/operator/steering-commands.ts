/** `verdict step-down`, `drain`, `undrain` and `log-level` on the command line. */
import { Argument, type Command, Option } from 'commander';
import { maxShards } from '../../core/txid.ts';
import { logLevels } from '../../ports/logger.ts';
import type { Io } from '../io.ts';
import { type ConnectionFlags, connectionOptions, type SetExitCode } from '../options.ts';
import { durationArgument, nameArgument, reasonArgument, wholeNumber } from '../parameters.ts';
import type { LevelFlags, StepDownFlags } from './steer.ts';

/** What is under way is waited for. */
const timeoutMs = 60_000;

type Flags = ConnectionFlags & { readonly yes?: true; readonly reason?: string };

export function steeringCommands(program: Command, io: Io, setExitCode: SetExitCode): void {
  const steering = (command: Command): Command =>
    connectionOptions(command, { defaultMs: timeoutMs, meaning: 'for the whole command' })
      .option('--yes', 'do not ask')
      .addOption(
        new Option('--reason <text>', "why, for the node's audit log").argParser(reasonArgument),
      );

  steering(program.command('step-down'))
    .summary('hand the leadership of a shard to another node')
    .description(
      'The leader of a shard hands it to another node, which takes over with one write: what is under way ends before, and new requests wait for a moment. The node may lead it again later; to keep it from that, drain it.',
    )
    .option(
      '--shard <n>',
      'the shard; needed where the cluster has several',
      wholeNumber({ min: 0, max: maxShards - 1 }),
    )
    .option('--to <node>', 'who is to lead it; default: the node that is most ready', nameArgument)
    .addHelpText('after', '\nExample:\n  $ verdict step-down --shard 3 --to b --reason "a is slow"')
    .action(async (flags: Flags & StepDownFlags) => {
      const { stepDown } = await import('./steer.ts');
      setExitCode(await stepDown({ io, ...flags }));
    });

  steering(program.command('drain'))
    .summary('have a node give its shards away and take none')
    .description(
      'The node is not ready any more, hands every shard that it leads to other nodes, and takes none until it is undrained or started again. Its connections stay: participants keep one to every node. What no other node takes it leads on.',
    )
    .argument('[node]', 'its name, as status shows it; default: the one that answers', nameArgument)
    .addHelpText('after', '\nExample:\n  $ verdict drain a --reason "a new kernel"')
    .action(async (node: string | undefined, flags: Flags) => {
      const { drain } = await import('./steer.ts');
      setExitCode(await drain({ io, ...flags }, node));
    });

  steering(program.command('undrain'))
    .summary('let a drained node lead again')
    .description('The node is ready again, and takes leaderships as any other.')
    .argument('[node]', 'its name, as status shows it; default: the one that answers', nameArgument)
    .addHelpText('after', '\nExample:\n  $ verdict undrain a')
    .action(async (node: string | undefined, flags: Flags) => {
      const { undrain } = await import('./steer.ts');
      await undrain({ io, ...flags }, node);
    });

  steering(program.command('log-level'))
    .summary("change the level of a node's log while it runs")
    .description(
      'Sets the lowest level that a node logs. With --for it is set back afterwards; else it stays until the node ends. At debug every step of every transaction is logged, which costs throughput.',
    )
    .addArgument(new Argument('<level>', 'the lowest level to log').choices(logLevels))
    .option('--node <node>', 'its name; default: the one that answers', nameArgument)
    .option(
      '--for <duration>',
      'set back after this long, such as 90s, 10m or 1h',
      durationArgument,
    )
    .addHelpText('after', '\nExample:\n  $ verdict log-level debug --for 5m --node a')
    .action(async (level: LevelFlags['level'], flags: Flags & Omit<LevelFlags, 'level'>) => {
      const { setLogLevel } = await import('./steer.ts');
      await setLogLevel({ io, ...flags, level });
    });
}
