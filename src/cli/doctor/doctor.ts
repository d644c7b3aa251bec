/** `verdict doctor`: looks at the nodes, at etcd and at databases, and changes nothing. */
import type { StatsReply } from '../../core/messages.ts';
import { thrownText } from '../../core/thrown.ts';
import { readSecretFile } from '../../system/secret-file.ts';
import { usageError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { answer } from '../operator/context.ts';
import { harmless } from '../text.ts';
import { askNodes } from './ask-nodes.ts';
import type { DoctorFlags } from './command.ts';
import { checkDatabaseUrl, shownUrl } from './database-url.ts';
import { type Finding, Findings } from './finding.ts';
import { judgeMariadb, judgePostgresql } from './judge-databases.ts';
import { type ClusterFacts, judgeNodes } from './judge-nodes.ts';
import { askOutcomes } from './outcomes.ts';
import type { Prepared } from './prepared.ts';
import { countsOf, reportLines } from './report.ts';

type Context = DoctorFlags & { readonly io: Io };

/** About so many the nodes are asked, the oldest first. */
const maxAsked = 20;

/** `named`: a node was named, by an option or the environment. */
export async function doctor(context: Context, named: boolean): Promise<ExitCode> {
  for (const url of context.postgresql ?? []) {
    checkDatabaseUrl('--postgresql', ['postgresql', 'postgres'], url);
  }
  for (const url of context.mariadb ?? []) checkDatabaseUrl('--mariadb', ['mariadb', 'mysql'], url);
  const passwords = passwordsOf(context);
  const [nodes, etcd] = await Promise.all([atNodes(context, named), atEtcd(context)]);
  const able = { nodes: nodes.facts !== null, etcd: etcd.answered };
  const databases = await Promise.all([
    ...(context.postgresql ?? []).map((url, index) =>
      atPostgresql(context, url, { password: passwords.postgresql(index), able, ...nodes }),
    ),
    ...(context.mariadb ?? []).map((url, index) =>
      atMariadb(context, url, { password: passwords.mariadb(index), able }),
    ),
  ]);
  const findings = [...nodes.findings, ...etcd.findings, ...databases.flat()];
  const counts = countsOf(findings);
  await answer(context, { ...counts, findings }, (colors, width) =>
    reportLines(findings, colors, width),
  );
  return counts.problems > 0 ? exitCodes.notDone : exitCodes.ok;
}

interface AtNodes {
  readonly findings: readonly Finding[];
  readonly facts: ClusterFacts | null;
}

async function atNodes(context: Context, named: boolean): Promise<AtNodes> {
  const others = [context.etcd, context.postgresql, context.mariadb];
  if (!named && others.some((other) => other !== undefined)) {
    const findings = new Findings('nodes');
    findings.skipped('reachable', 'No node was named.', 'Name one with --url to look at them too.');
    return { findings: findings.all, facts: null };
  }
  const facts = await askNodes(context);
  return 'nodes' in facts
    ? { findings: judgeNodes(facts), facts }
    : { findings: [facts], facts: null };
}

async function atEtcd(
  context: Context,
): Promise<{ readonly findings: readonly Finding[]; readonly answered: boolean }> {
  const { etcd } = context;
  const findings = new Findings('etcd');
  if (etcd === undefined) {
    findings.skipped(
      'members',
      'No etcd was named.',
      'Name its members with --etcd to look at it.',
    );
    return { findings: findings.all, answered: false };
  }
  const { askEtcd } = await import('./ask-etcd.ts');
  const { judgeEtcd } = await import('./judge-etcd.ts');
  const facts = await askEtcd({ ...context, etcd }, context.timeout);
  const answered = facts.every(({ members }) => members.some(({ problem }) => problem === null));
  return { findings: facts.flatMap(judgeEtcd), answered };
}

interface AtDatabase {
  readonly password: string | undefined;
  readonly able: { readonly nodes: boolean; readonly etcd: boolean };
}

async function atPostgresql(
  context: Context,
  url: string,
  { password, able, facts: cluster }: AtDatabase & Pick<AtNodes, 'facts'>,
): Promise<Finding[]> {
  const findings = new Findings(shownUrl(url));
  try {
    const { askPostgresql } = await import('./ask-postgresql.ts');
    const { prepared, identities, ...facts } = await askPostgresql(url, password, context.timeout);
    const asked = await askOutcomes(context, worthAsking(context, prepared), able);
    const window = windowOf(cluster, identities);
    judgePostgresql(findings, { ...facts, asked, window }, context.preparedAge);
  } catch (error) {
    unanswered(findings, error, 'pg');
  }
  return findings.all;
}

async function atMariadb(
  context: Context,
  url: string,
  { password, able }: AtDatabase,
): Promise<Finding[]> {
  const findings = new Findings(shownUrl(url));
  try {
    const { askMariadb } = await import('./ask-mariadb.ts');
    const { prepared, ...facts } = await askMariadb(url, password, context.timeout);
    const asked = await askOutcomes(context, worthAsking(context, prepared), able);
    judgeMariadb(findings, { ...facts, asked }, context.preparedAge);
  } catch (error) {
    unanswered(findings, error, 'mysql2');
  }
  return findings.all;
}

/** The oldest come first. */
function worthAsking({ preparedAge }: Context, all: readonly Prepared[]): readonly Prepared[] {
  return all.filter(({ ageMs }) => ageMs === null || ageMs >= preparedAge).slice(0, maxAsked);
}

function unanswered(findings: Findings, error: unknown, driver: string): void {
  const text = harmless(thrownText(error));
  if (new RegExp(`Cannot find (package|module) '${driver}`).test(text)) {
    return findings.skipped(
      'driver',
      `The package ${driver} is not installed.`,
      `Install it next to Verdict, or run this where the participant runs: npm install ${driver}`,
    );
  }
  const answered = error instanceof Error && ('severity' in error || 'sqlState' in error);
  findings.problem(
    'reachable',
    `${answered ? 'It refuses this connection' : 'It gave no answer'}: ${text}`,
    answered
      ? 'Compare user, password and database with what it has. Passwords are given as files or by the environment.'
      : 'Is it running, and can it be reached from here?',
  );
}

/** How many prepares may be under way to those who share the database; null: no one does. */
function windowOf(cluster: ClusterFacts | null, identities: readonly string[]): number | null {
  if (cluster === null) return null;
  const names = new Set(
    cluster.nodes.flatMap(({ info }) =>
      (info?.participants ?? []).flatMap(({ participant, sharedResource }) =>
        sharedResource !== undefined && identities.includes(sharedResource) ? [participant] : [],
      ),
    ),
  );
  if (names.size === 0) return null;
  const of = (stats: StatsReply | null): number =>
    (stats?.participants ?? []).reduce(
      (sum, { participant, window }) => sum + (names.has(participant) ? window : 0),
      0,
    );
  return cluster.nodes.reduce((sum, { stats }) => sum + of(stats), 0);
}

interface Passwords {
  readonly postgresql: (index: number) => string | undefined;
  readonly mariadb: (index: number) => string | undefined;
}

/** Of several databases each its own file, in order; or one file for all. */
function passwordsOf(context: Context): Passwords {
  const of = (
    what: string,
    urls: readonly string[] = [],
    files: readonly string[] = [],
  ): ((index: number) => string | undefined) => {
    if (files.length > 1 && files.length !== urls.length) {
      throw usageError(
        `There are ${urls.length} of --${what} and ${files.length} of --${what}-password-file. Give one file for all, or one for each, in order.`,
      );
    }
    const texts = files.map((file) => readSecretFile(file, 'password').trimEnd());
    return (index) => texts[index] ?? texts[0];
  };
  const { env } = context.io;
  const postgresql = of('postgresql', context.postgresql, context.postgresqlPasswordFile);
  const mariadb = of('mariadb', context.mariadb, context.mariadbPasswordFile);
  return {
    // As the programs of the two databases take them.
    postgresql: (index) => postgresql(index) ?? env['PGPASSWORD'],
    mariadb: (index) => mariadb(index) ?? env['MYSQL_PWD'],
  };
}
