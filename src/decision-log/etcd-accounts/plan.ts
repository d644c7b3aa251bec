/**
 * What is missing of a cluster's accounts at one etcd, or is too much: steps, each of which may
 * have been done before. So who was interrupted begins again, and a second time does nothing.
 */
import { thrownLine } from '../../core/thrown.ts';
import type { EtcdAdmin } from './admin.ts';
import {
  type AccountKind,
  accountName,
  type Place,
  rightsOf,
  rightText,
  sameKeys,
  sameRight,
} from './rights.ts';

export interface WantedUser {
  readonly name: string;
  /** Null: it comes with a certificate. */
  readonly password: string | null;
}

export interface WantedAccount {
  readonly kind: AccountKind;
  readonly users: readonly WantedUser[];
}

export interface WantedAccounts extends Place {
  readonly accounts: readonly WantedAccount[];
  /** Given where accounts are to be in use from now on. */
  readonly enable: Enabling | null;
}

export interface Enabling {
  /** Asked for only where there is no `root` yet. Null: none can be made. */
  readonly rootPassword: (() => Promise<string>) | null;
}

export interface Step {
  /** In the past tense: said once it is done. */
  readonly text: string;
  act(admin: EtcdAdmin): Promise<void>;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** What no step mends. */
  readonly problems: readonly string[];
}

/** etcd's own name for who may do everything. */
const root = 'root';

export async function planAccounts(admin: EtcdAdmin, wanted: WantedAccounts): Promise<Plan> {
  const steps: Step[] = [];
  const problems: string[] = [];
  for (const { kind, users } of wanted.accounts) {
    const role = accountName(wanted.cluster, kind);
    steps.push(...(await roleSteps(admin, role, rightsOf(kind, wanted))));
    for (const user of users) {
      const roles = await admin.user(user.name);
      steps.push(...(await userSteps(admin, user, { roles, role })));
      const others = (roles ?? []).filter((name) => name !== role);
      if (others.length > 0) {
        problems.push(
          `The user ${user.name} also has the role ${others.join(' and ')}, and may do more than a ${kind} needs. Take that from it: etcdctl user revoke-role ${user.name} ${others[0]}.`,
        );
      }
    }
  }
  if (wanted.enable !== null && !admin.inUse) {
    steps.push(...(await enablingSteps(admin, wanted.enable, problems)));
  }
  return { steps, problems };
}

async function roleSteps(
  admin: EtcdAdmin,
  role: string,
  wanted: ReturnType<typeof rightsOf>,
): Promise<Step[]> {
  const there = await admin.role(role);
  const has = there ?? [];
  return [
    ...(there === null ? [step(`made the role ${role}`, (at) => at.addRole(role))] : []),
    // What is too much goes first. A right to the same keys is replaced by granting it anew.
    ...has
      .filter((right) => !wanted.some((one) => sameKeys(one, right)))
      .map((right) =>
        step(`took from ${role}: ${rightText(right)}`, (at) => at.revoke(role, right)),
      ),
    ...wanted
      .filter((right) => !has.some((one) => sameRight(one, right)))
      .map((right) => step(`let ${role} ${rightText(right)}`, (at) => at.grant(role, right))),
  ];
}

async function userSteps(
  admin: EtcdAdmin,
  { name, password }: WantedUser,
  { roles, role }: { readonly roles: readonly string[] | null; readonly role: string },
): Promise<Step[]> {
  const how = password === null ? ', without a password' : '';
  const steps: Step[] = [];
  if (roles === null) {
    steps.push(step(`made the user ${name}${how}`, (at) => at.addUser(name, password)));
  } else if (password !== null && !(await hasPassword(admin, name, password))) {
    steps.push(step(`set the password of ${name}`, (at) => at.setPassword(name, password)));
  }
  if (roles?.includes(role) !== true) {
    steps.push(step(`gave ${name} the role ${role}`, (at) => at.grantRole(name, role)));
  }
  return steps;
}

/** Etcd tells it only while accounts are in use; before, it is set each time. */
async function hasPassword(admin: EtcdAdmin, username: string, password: string): Promise<boolean> {
  if (!admin.inUse) return false;
  try {
    await admin.authenticate({ username, password });
    return true;
  } catch (error) {
    // "authentication failed": a wrong one, or given for a user that has none.
    if (/authentication failed/.test(thrownLine(error))) return false;
    throw error;
  }
}

/** Etcd refuses to ask for accounts before there is a `root` that may do everything. */
async function enablingSteps(
  admin: EtcdAdmin,
  { rootPassword }: Enabling,
  problems: string[],
): Promise<Step[]> {
  const roles = await admin.user(root);
  if (roles === null && rootPassword === null) {
    problems.push(
      'Etcd has no user root, and asks for accounts only once there is one. Give --password-directory, where its password is made, or make it: etcdctl user add root.',
    );
    return [];
  }
  const steps: Step[] = [];
  if (roles === null && rootPassword !== null) {
    steps.push(step('made the user root', async (at) => at.addUser(root, await rootPassword())));
  }
  if ((await admin.role(root)) === null) {
    steps.push(step('made the role root', (at) => at.addRole(root)));
  }
  if (roles?.includes(root) !== true) {
    steps.push(step('gave root the role root', (at) => at.grantRole(root, root)));
  }
  // Last: from here on no one does anything without an account.
  steps.push(step('turned authentication on', (at) => at.enable()));
  return steps;
}

function step(text: string, act: (admin: EtcdAdmin) => Promise<void>): Step {
  return { text, act };
}
