/** `verdict etcd-setup`: a cluster's accounts at its etcd, each with the rights of its kind. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { thrownText } from '../../core/thrown.ts';
import type { EtcdAccess } from '../../decision-log/etcd/client.ts';
import { assertShards, etcdParts } from '../../decision-log/etcd/endpoints.ts';
import { etcdErrorText } from '../../decision-log/etcd/error-text.ts';
import { EtcdKeys } from '../../decision-log/etcd/keys.ts';
import { metaOf } from '../../decision-log/etcd/meta.ts';
import { EtcdAdmin } from '../../decision-log/etcd-accounts/admin.ts';
import { checkAccount, nestedText } from '../../decision-log/etcd-accounts/check.ts';
import {
  type Plan,
  planAccounts,
  type WantedAccounts,
} from '../../decision-log/etcd-accounts/plan.ts';
import {
  type AccountKind,
  accountKinds,
  accountName,
} from '../../decision-log/etcd-accounts/rights.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { writeDurableFile } from '../../store/durable-file.ts';
import { systemClock } from '../../system/clock.ts';
import { systemRandom } from '../../system/random.ts';
import { readSecretFile } from '../../system/secret-file.ts';
import { CommandError, usageError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { etcdAccess } from '../open-log.ts';
import { harmless, plural } from '../text.ts';
import type { EtcdContext } from './at-etcd.ts';
import { answer } from './context.ts';

export interface EtcdSetupContext extends Omit<EtcdContext, 'yes'> {
  readonly shards?: number;
  readonly passwordDirectory?: string;
  /** `kind=common name` each. */
  readonly certificate?: readonly string[];
  readonly resolver?: true;
  readonly enableAuth?: true;
  readonly check?: true;
  readonly dryRun?: true;
}

type Certificates = Partial<Readonly<Record<AccountKind, readonly string[]>>>;

interface Credentials {
  readonly passwords: Passwords;
  readonly certificates: Certificates;
}

interface AtOne {
  readonly etcd: readonly string[];
  readonly steps: readonly string[];
  readonly authentication: 'on' | 'off';
  readonly tried: number;
  readonly problems: readonly string[];
}

const passwordBytes = 32;

export async function setUpEtcd(context: EtcdSetupContext): Promise<ExitCode> {
  const { cluster, passwordDirectory, dryRun, enableAuth, check } = context;
  if (enableAuth && check && dryRun) {
    throw usageError(
      '--enable-auth with --dry-run turns nothing on, so that --check would try accounts out where nothing is refused. See what would be done with --enable-auth --dry-run, do it with --enable-auth --check, or look at what is there with --check --dry-run.',
    );
  }
  const certificates = certificatesOf(context);
  if (passwordDirectory === undefined && Object.keys(certificates).length === 0) {
    throw usageError(
      'Say how the processes show who they are: --password-directory DIRECTORY, where their passwords are made, or --certificate KIND=NAME for each that brings a certificate.',
    );
  }
  const passwords = new Passwords(passwordDirectory, dryRun === true);
  const parts = etcdParts(context.etcd);
  const places = parts ?? [{ first: 0, last: null, endpoints: context.etcd }];
  if (parts !== null) assertShards(context.shards, parts);
  const etcds: AtOne[] = [];
  for (const place of places)
    etcds.push(await setUpOne(context, place, { passwords, certificates }));
  const problems = etcds.flatMap((one) => one.problems);
  const value = { cluster, dryRun: dryRun === true, passwordFiles: passwords.made, etcds };
  await answer(context, value, () => [
    ...passwords.made.map((file) => `${dryRun ? 'would make' : 'made'} ${file}`),
    ...etcds.flatMap((one) => linesOf(one, context)),
  ]);
  return problems.length === 0 ? exitCodes.ok : exitCodes.notDone;
}

function linesOf(one: AtOne, { check, dryRun }: EtcdSetupContext): string[] {
  const { etcd, steps, authentication, tried, problems } = one;
  const done =
    steps.length === 0 ? ['nothing to do: the accounts are as they should be'] : folded(steps);
  return [
    `etcd at ${etcd.join(', ')}:${dryRun && steps.length > 0 ? ' would have' : ''}`,
    ...done.map((text) => `  ${harmless(text)}`),
    ...(check ? [`  tried out ${plural(tried, 'right')}`] : []),
    ...problems.map((text) => `  PROBLEM: ${harmless(text)}`),
    ...(authentication === 'on'
      ? []
      : [
          '  Authentication is off there: whoever reaches it may do everything. Turn it on with --enable-auth once every process shows an account.',
        ]),
  ];
}

/** The same in many shards is said once. */
function folded(steps: readonly string[]): string[] {
  const counts = new Map<string, { readonly first: string; count: number }>();
  for (const text of steps) {
    const alike = text.replace(/\/shards\/[0-9a-z]+\//, '/shards/*/');
    const known = counts.get(alike);
    if (known === undefined) counts.set(alike, { first: text, count: 1 });
    else known.count += 1;
  }
  return [...counts].map(([alike, { first, count }]) =>
    count === 1 ? first : `${alike}  (${count} shards)`,
  );
}

async function setUpOne(
  context: EtcdSetupContext,
  place: { readonly first: number; readonly last: number | null; endpoints: readonly string[] },
  { passwords, certificates }: Credentials,
): Promise<AtOne> {
  const { cluster, check, dryRun } = context;
  const given = await etcdAccess(context);
  // Before the certificate: an etcd may want one of everyone, whoever they are.
  const auth = given.auth ?? passwords.root();
  const access: EtcdAccess = {
    endpoints: place.endpoints,
    clock: systemClock,
    random: systemRandom,
    ...given,
    ...(auth === undefined ? {} : { auth }),
  };
  let admin: EtcdAdmin | null = null;
  try {
    admin = await EtcdAdmin.connect(access);
    const last = place.last ?? (await shardsOf(admin, context)) - 1;
    const enable =
      context.enableAuth === true ? { rootPassword: passwords.rootMaker(given.auth) } : null;
    const wanted = {
      cluster,
      first: place.first,
      last,
      enable,
      ...accountsOf(context, { passwords, certificates }),
    };
    const plan = await planAccounts(admin, wanted);
    if (dryRun !== true) {
      await passwords.write();
      for (const step of plan.steps) await step.act(admin);
    }
    const after =
      check === true
        ? await checked(access, wanted, dryRun === true, passwords)
        : { tried: 0, problems: [] };
    const enables = enable !== null && plan.problems.length === 0 && dryRun !== true;
    return {
      etcd: place.endpoints,
      steps: plan.steps.map(({ text }) => text),
      authentication: admin.inUse || enables ? 'on' : 'off',
      tried: after.tried,
      problems: [...new Set([...plan.problems, ...after.problems])],
    };
  } catch (error) {
    throw refusalOf(error, place.endpoints);
  } finally {
    admin?.close();
  }
}

/** As it stands then, seen anew: that nothing is missing, and by trying each account out. */
async function checked(
  access: EtcdAccess,
  wanted: WantedAccounts,
  dryRun: boolean,
  passwords: Passwords,
): Promise<{ readonly tried: number; readonly problems: readonly string[] }> {
  const auth = access.auth ?? passwords.root();
  const admin = await EtcdAdmin.connect({ ...access, ...(auth === undefined ? {} : { auth }) });
  try {
    if (!admin.inUse) {
      return {
        tried: 0,
        problems: [
          'Authentication is off, so nothing is refused, and no account can be tried out.',
        ],
      };
    }
    const left: Plan = dryRun
      ? { steps: [], problems: [] }
      : await planAccounts(admin, { ...wanted, enable: null });
    const problems = [...left.steps.map(({ text }) => `Etcd did not keep it: ${text}.`)];
    let tried = 0;
    for (const { kind, users } of wanted.accounts) {
      for (const { name, password } of users) {
        if (password === null || (dryRun && passwords.isNew(kind))) continue;
        const result = await checkAccount(admin, wanted, { kind, name, password });
        tried += result.tried;
        problems.push(...result.problems);
        if (result.nestedUnchecked) problems.push(nestedText);
      }
    }
    return { tried, problems: [...problems, ...left.problems] };
  } finally {
    admin.close();
  }
}

function accountsOf(
  { cluster, resolver }: EtcdSetupContext,
  { passwords, certificates }: Credentials,
): Pick<WantedAccounts, 'accounts'> {
  const kinds = accountKinds.filter(
    (kind) => kind !== 'resolver' || resolver === true || certificates.resolver !== undefined,
  );
  return {
    accounts: kinds.map((kind) => {
      const names = certificates[kind];
      if (names !== undefined) {
        return { kind, users: names.map((name) => ({ name, password: null })) };
      }
      const password = passwords.of(kind);
      const users = password === null ? [] : [{ name: accountName(cluster, kind), password }];
      return { kind, users };
    }),
  };
}

function certificatesOf({ certificate = [] }: EtcdSetupContext): Certificates {
  const found: Partial<Record<AccountKind, string[]>> = {};
  for (const text of certificate) {
    const [, kind, name = ''] = /^([a-z]+)=(.+)$/s.exec(text) ?? [];
    const known = accountKinds.find((one) => one === kind);
    if (known === undefined) {
      throw usageError(
        `${JSON.stringify(text)} says no kind of process with the common name of its certificate. Write ${accountKinds.join('=, ')}= and the name, such as node=node-1.example.`,
      );
    }
    found[known] = [...(found[known] ?? []), name];
  }
  return found;
}

/** As the cluster was made, or is to be. */
async function shardsOf(admin: EtcdAdmin, { cluster, shards }: EtcdSetupContext): Promise<number> {
  const { meta } = new EtcdKeys(cluster);
  const { kvs } = await admin.call(({ kv }, options) => kv.range({ key: meta }, options));
  const found = kvs[0] === undefined ? undefined : metaOf(kvs[0]);
  if (found?.part !== undefined) {
    throw new CommandError(
      'REFUSED',
      `The cluster ${cluster} is spread over several etcds. Give --etcd with all of its ranges, each with its etcd.`,
    );
  }
  if (found === undefined && shards === undefined) {
    throw usageError(
      `No node of the cluster ${cluster} was started yet. Give --shards with the number that its nodes will be started with: rights are given for each. Without that option nodes make 1.`,
    );
  }
  if (found !== undefined && shards !== undefined && shards !== found.shards) {
    throw usageError(
      `The cluster ${cluster} was made with ${found.shards} shards, which cannot change; ${shards} was given. Leave --shards out.`,
    );
  }
  return found?.shards ?? shards ?? 1;
}

function refusalOf(error: unknown, endpoints: readonly string[]): unknown {
  if (error instanceof CommandError) return error;
  const text = thrownText(error);
  const at = endpoints.join(', ');
  const says = (code: 'REFUSED' | 'UNREACHABLE', message: string): CommandError =>
    new CommandError(code, message, { cause: error });
  if (/user name is empty/.test(text)) {
    return says(
      'REFUSED',
      `Etcd at ${at} asks for an account. Give that of someone with the role root: --etcd-user root --etcd-password-file FILE.`,
    );
  }
  if (/permission denied/i.test(text)) {
    return says(
      'REFUSED',
      `Etcd at ${at} lets only users with the role root change accounts. Give such a one with --etcd-user and --etcd-password-file, or its certificate with --etcd-cert.`,
    );
  }
  if (/authentication failed/.test(text)) {
    return says(
      'REFUSED',
      `Etcd at ${at} does not know this user with this password. Compare --etcd-user and --etcd-password-file with what it has; without them it is root, with the file etcd-root of --password-directory.`,
    );
  }
  if (error instanceof DecisionLogError) {
    return says(error.cause === undefined ? 'REFUSED' : 'UNREACHABLE', error.message);
  }
  return /UNAVAILABLE|DEADLINE_EXCEEDED/.test(text)
    ? says(
        'UNREACHABLE',
        `Etcd at ${at} did not answer: ${etcdErrorText(error)}. Run it again: it goes on where it was.`,
      )
    : error;
}

/** `etcd-KIND` in the directory. Those that are there are taken, so that they can be given. */
class Passwords {
  readonly #directory: string | undefined;
  readonly #dryRun: boolean;
  readonly #new = new Map<string, string>();
  readonly #made: string[] = [];

  constructor(directory: string | undefined, dryRun: boolean) {
    this.#directory = directory;
    this.#dryRun = dryRun;
  }

  /** Files that were made, or would be. */
  get made(): readonly string[] {
    return [...this.#made, ...(this.#dryRun ? [...this.#new.keys()] : [])];
  }

  /** Null: there is no directory. */
  of(name: AccountKind | 'root'): string | null {
    const file = this.#file(name);
    if (file === null) return null;
    if (existsSync(file)) return readSecretFile(file, `password of ${name}`).trimEnd();
    const made = this.#new.get(file) ?? randomBytes(passwordBytes).toString('base64url');
    this.#new.set(file, made);
    return made;
  }

  isNew(name: AccountKind): boolean {
    return this.#new.has(this.#file(name) ?? '');
  }

  /** On disk before etcd has them: a password that no one can read is of no use. */
  async write(): Promise<void> {
    for (const [file, password] of this.#new) {
      await writeDurableFile(file, `${password}\n`);
      this.#made.push(file);
    }
    this.#new.clear();
  }

  /** Whoever made the accounts can come again. */
  root(): EtcdAccess['auth'] {
    const file = this.#file('root');
    if (file === null || !existsSync(file)) return undefined;
    return { username: 'root', password: this.of('root') ?? '' };
  }

  rootMaker(given: EtcdAccess['auth']): (() => Promise<string>) | null {
    if (given?.username === 'root') return async () => given.password;
    if (this.#directory === undefined) return null;
    return async () => {
      const password = this.of('root') ?? '';
      await this.write();
      return password;
    };
  }

  #file(name: string): string | null {
    return this.#directory === undefined ? null : join(this.#directory, `etcd-${name}`);
  }
}
