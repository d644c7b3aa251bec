/** What a database said, judged: what participants need of it is in docs/DATABASES.md. */
import { countText, durationText, harmless, plural } from '../text.ts';
import type { Findings } from './finding.ts';
import { type AskedOutcome, judgePrepared } from './prepared.ts';

export interface PreparedFacts {
  /** Those of Verdict that were asked about. */
  readonly asked: readonly AskedOutcome[];
  /** Of Verdict, in all. */
  readonly count: number;
  /** Of others. */
  readonly foreign: number;
  /** Of the oldest of others; null: there is none, or it is not told. */
  readonly foreignAgeMs: number | null;
}

export interface PostgresqlFacts extends PreparedFacts {
  readonly version: number;
  readonly versionText: string;
  readonly maxPrepared: number;
  /** In all databases of the server. */
  readonly preparedOnServer: number;
  readonly maxConnections: number;
  readonly connections: number;
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  readonly isStandby: boolean;
  readonly walLevel: string;
  /** Schema-qualified names of the tables that participants keep. */
  readonly tables: readonly string[];
  /** How many prepares may be under way to participants of this database; null: not known. */
  readonly window: number | null;
}

export interface MariadbFacts extends PreparedFacts {
  readonly versionText: string;
  readonly flushAtCommit: number;
  readonly isReadOnly: boolean;
  readonly hasBinaryLog: boolean;
  readonly syncBinaryLog: number;
  readonly isolation: string;
  readonly engine: string;
  readonly maxConnections: number;
  readonly connections: number;
  /** Of MySQL; null: there is no such setting. */
  readonly detachOnPrepare: string | null;
  readonly tables: readonly string[];
  /** Whether XA RECOVER was answered; else why not. */
  readonly recoverProblem: string | null;
}

const fullShare = 0.8;
const foreignOldMs = 3_600_000;
const tableTodo =
  'Normal before the first participant has opened it. Else: is this the database that it works in, and may this account see its schema?';

export function judgePostgresql(
  findings: Findings,
  facts: PostgresqlFacts,
  minAgeMs: number,
): void {
  const { version, maxPrepared, preparedOnServer, maxConnections, isStandby, window } = facts;
  if (version < 130_000) {
    findings.problem('version', `PostgreSQL ${facts.versionText}.`, '13 or newer is needed.');
  } else findings.ok('version', `PostgreSQL ${facts.versionText}.`);
  if (isStandby) {
    findings.problem('role', 'It is a standby, which prepares nothing.', 'Connect to the primary.');
  }
  const check = 'max_prepared_transactions';
  const restart = 'in postgresql.conf, and restart the server.';
  if (maxPrepared === 0) {
    findings.problem(
      check,
      'It is 0: the server refuses PREPARE TRANSACTION.',
      `Set it to max_connections (${maxConnections}) or more ${restart}`,
    );
  } else if (preparedOnServer >= maxPrepared * fullShare) {
    findings.problem(
      check,
      `${countText(preparedOnServer)} of ${countText(maxPrepared)} are in use.`,
      `Past it, branches abort with RESOURCE_UNAVAILABLE. See what is prepared, below; else raise it ${restart}`,
    );
  } else if (window !== null && window > maxPrepared) {
    findings.warning(
      check,
      `It is ${countText(maxPrepared)}, and the nodes may send ${countText(window)} prepares at once to the participants of this database.`,
      `Raise it to that ${restart} Or lower participantWindow of the nodes.`,
    );
  } else if (window === null && maxPrepared < maxConnections) {
    findings.warning(
      check,
      `It is ${countText(maxPrepared)}, less than max_connections (${countText(maxConnections)}).`,
      `Every branch in flight on the server needs one: set it to max_connections or more ${restart}`,
    );
  } else findings.ok(check, `${countText(preparedOnServer)} of ${countText(maxPrepared)} in use.`);
  if (!facts.fsync || !facts.fullPageWrites) {
    findings.problem(
      'durability',
      `${facts.fsync ? 'full_page_writes' : 'fsync'} is off: what it prepares may not survive a crash.`,
      'Set it to on.',
    );
  } else {
    findings.ok('durability', `fsync is on; wal_level is ${facts.walLevel}, and any will do.`);
  }
  judgeConnections(findings, facts);
  judgeTables(findings, facts.tables);
  judgeAllPrepared(findings, facts, minAgeMs);
}

export function judgeMariadb(findings: Findings, facts: MariadbFacts, minAgeMs: number): void {
  const { versionText, flushAtCommit, isReadOnly, hasBinaryLog, syncBinaryLog } = facts;
  const [major = 0, minor = 0] = versionText.split('.').map((part) => Number.parseInt(part, 10));
  const isMariadb = /mariadb/i.test(versionText);
  if (isMariadb && (major < 10 || (major === 10 && minor < 5))) {
    findings.problem('version', `MariaDB ${harmless(versionText)}.`, '10.5 or newer is needed.');
  } else if (!isMariadb && facts.detachOnPrepare !== 'ON') {
    findings.problem(
      'version',
      `MySQL ${harmless(versionText)}, xa_detach_on_prepare is ${facts.detachOnPrepare ?? 'not there'}.`,
      '8.0.29 or newer is needed, with xa_detach_on_prepare = ON.',
    );
  } else findings.ok('version', harmless(versionText));
  if (isReadOnly) {
    findings.problem('role', 'It is read-only, and prepares nothing.', 'Connect to the primary.');
  }
  if (flushAtCommit !== 1) {
    findings.problem(
      'durability',
      `innodb_flush_log_at_trx_commit is ${flushAtCommit}: what it prepares would not survive a crash.`,
      'Set it to 1.',
    );
  }
  if (hasBinaryLog && syncBinaryLog !== 1) {
    findings.warning(
      'durability',
      `There is a binary log, and sync_binlog is ${syncBinaryLog}.`,
      'Set it to 1: after a crash the binary log may lack what was committed, and replicas with it.',
    );
  }
  findings.else('durability', 'innodb_flush_log_at_trx_commit is 1.');
  if (!/innodb/i.test(facts.engine)) {
    findings.warning(
      'engine',
      `Tables are made in ${harmless(facts.engine)} where no engine is named.`,
      'Tables of other engines than InnoDB silently take no part in transactions: set default_storage_engine = InnoDB.',
    );
  } else findings.ok('engine', 'Tables are made in InnoDB where no engine is named.');
  findings.ok(
    'isolation',
    `${harmless(facts.isolation)} is the server's default; each branch sets its own (option isolation).`,
  );
  judgeConnections(findings, facts);
  judgeTables(findings, facts.tables);
  if (facts.recoverProblem !== null) {
    return findings.skipped(
      'prepared',
      `XA RECOVER was refused: ${harmless(facts.recoverProblem)}`,
      'Give an account that may: on MySQL it needs XA_RECOVER_ADMIN.',
    );
  }
  judgeAllPrepared(findings, facts, minAgeMs);
}

function judgeConnections(
  findings: Findings,
  { connections, maxConnections }: { connections: number; maxConnections: number },
): void {
  const text = `${countText(connections)} of ${countText(maxConnections)} connections are in use.`;
  if (connections < maxConnections * fullShare) return findings.ok('connections', text);
  findings.warning(
    'connections',
    text,
    'Each process of a participant takes maxSessions (16) and 4 more. Raise max_connections, or lower maxSessions.',
  );
}

function judgeTables(findings: Findings, tables: readonly string[]): void {
  if (tables.length === 0) {
    findings.warning('tables', 'There is no table verdict_branches here.', tableTodo);
  } else findings.ok('tables', `${tables.map(harmless).join(', ')}.`);
}

function judgeAllPrepared(findings: Findings, facts: PreparedFacts, minAgeMs: number): void {
  const { asked, count, foreign, foreignAgeMs } = facts;
  for (const each of asked) judgePrepared(findings, each, minAgeMs);
  findings.else(
    'prepared',
    count === 0
      ? 'Nothing of Verdict is prepared.'
      : `${plural(count, 'branch', 'branches')} of Verdict prepared, none of those looked at left behind.`,
  );
  if (count > asked.length) {
    findings.skipped(
      'prepared',
      `${plural(count - asked.length, 'more branch', 'more branches')} of Verdict prepared, younger or not asked about.`,
    );
  }
  if (foreign === 0) return;
  const text = `${plural(foreign, 'transaction')} of others prepared${foreignAgeMs === null ? '' : `, the oldest ${durationText(foreignAgeMs)} ago`}.`;
  if (foreignAgeMs !== null && foreignAgeMs > foreignOldMs) {
    findings.warning(
      'prepared by others',
      text,
      'They hold their locks, and keep PostgreSQL from vacuuming. Ask whoever made them.',
    );
  } else findings.ok('prepared by others', text);
}
