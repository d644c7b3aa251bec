import type { Command } from 'commander';
import type { Io } from '../io.ts';
import {
  type ConnectionFlags,
  clusterOption,
  connectionOptions,
  type EtcdFlags,
  etcdAccessOptions,
  type SetExitCode,
} from '../options.ts';
import { durationArgument, etcdUrls } from '../parameters.ts';

export interface DoctorFlags extends ConnectionFlags, Partial<EtcdFlags> {
  readonly cluster: string;
  readonly postgresql?: readonly string[];
  readonly postgresqlPasswordFile?: readonly string[];
  readonly mariadb?: readonly string[];
  readonly mariadbPasswordFile?: readonly string[];
  readonly preparedAge: number;
}

const each = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** Registers `verdict doctor`. */
export function doctorCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  const command = program
    .command('doctor')
    .summary('look at nodes, etcd and databases, and say what to do')
    .description(
      'Looks at all nodes, at each member of etcd and at databases of participants, and says of each check: ok, warning, problem or skipped, what was found, and what to do. It changes nothing. It ends with 4 if there is a problem.',
    );
  connectionOptions(command, { defaultMs: 5_000, meaning: 'for each of those looked at' }).option(
    '--etcd <urls>',
    'the members of etcd to look at, as for serve',
    etcdUrls,
  );
  etcdAccessOptions(clusterOption(command))
    .option('--postgresql <url>', 'a database of a participant; can be repeated', each)
    .option(
      '--postgresql-password-file <file>',
      'file with its password; else PGPASSWORD or ~/.pgpass; can be repeated, in the order of the databases',
      each,
    )
    .option('--mariadb <url>', 'a database of a participant, or MySQL; can be repeated', each)
    .option(
      '--mariadb-password-file <file>',
      'file with its password; else MYSQL_PWD; can be repeated',
      each,
    )
    .option(
      '--prepared-age <time>',
      'a branch that is prepared for less is taken to be under way',
      durationArgument,
      30_000,
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ verdict doctor --url a.example:7070 --etcd http://10.0.0.1:2379,http://10.0.0.2:2379,http://10.0.0.3:2379\n  $ verdict doctor --url a.example:7070 --postgresql postgresql://payment@db.example/payment --json',
    )
    .action(async (flags: DoctorFlags) => {
      const { doctor } = await import('./doctor.ts');
      const named = command.getOptionValueSource('url') !== 'default';
      setExitCode(await doctor({ io, ...flags }, named));
    });
}
