/**
 * Tries out what an account may do and what it may not, at etcd itself.
 *
 * Nothing is written: each attempt is a transaction whose condition is never true. Etcd checks the
 * rights to all of its operations before it looks at the condition.
 */
import { thrownLine } from '../../core/thrown.ts';
import { etcdErrorText } from '../etcd/error-text.ts';
import { EtcdKeys } from '../etcd/keys.ts';
import { type Compare, get, nested, type Op, put } from '../etcd/requests.ts';
import type { EtcdAdmin } from './admin.ts';
import { type AccountKind, allows, type Place, rightsOf } from './rights.ts';
import { etcdUpgradeText } from './versions.ts';

export interface CheckedUser {
  readonly kind: AccountKind;
  readonly name: string;
  readonly password: string;
}

export interface Checked {
  readonly tried: number;
  readonly problems: readonly string[];
  /** Etcd does not check a transaction within a transaction: no right is worth anything. */
  readonly nestedUnchecked: boolean;
}

export async function checkAccount(
  admin: EtcdAdmin,
  place: Place,
  { kind, name, password }: CheckedUser,
): Promise<Checked> {
  const account = admin.as({ username: name, password });
  const rights = rightsOf(kind, place);
  const problems: string[] = [];
  let tried = 0;
  let nestedUnchecked = false;
  try {
    await account.authenticate({ username: name, password });
    for (const key of keysToTry(place)) {
      for (const [how, op] of [
        ['read', get(key)],
        ['write', put(key, Buffer.of())],
      ] as const) {
        tried += 1;
        const may = await isLetThrough(account, place, op);
        if (may === allows(rights, how, key)) continue;
        const verb = `${how} ${key.toString()}`;
        problems.push(
          may ? `${name} may ${verb}, and should not.` : `${name} may not ${verb}, and needs to.`,
        );
      }
    }
    tried += 1;
    const inner = nested({ success: [put(foreignKey, Buffer.of())] });
    nestedUnchecked = await isLetThrough(account, place, inner);
  } catch (error) {
    problems.push(`${name} could not be tried out: ${etcdErrorText(error)}.`);
  } finally {
    account.close();
  }
  return { tried, problems, nestedUnchecked };
}

const foreignKey = Buffer.from('/verdict-etcd-setup/not-there');

export const nestedText: string = `This etcd does not check a transaction within a transaction (its advisory GHSA-rfx7-8w68-q57q): every account may read and write everything that way, the secret of the cluster too. So accounts keep mistakes out here, and no attacker. ${etcdUpgradeText}`;

/** Of each kind one, in the first and the last shard, and around all of them. */
function keysToTry({ cluster, first, last }: Place): readonly Buffer[] {
  const keys = new EtcdKeys(cluster);
  const prefix = keys.everything.key.toString();
  const within = (range: { readonly key: Buffer }): Buffer =>
    Buffer.concat([range.key, Buffer.from('not-there')]);
  return [
    keys.meta,
    keys.secret,
    keys.retirements,
    ...[keys.nodes, keys.retired].map(within),
    ...['bound/not-there', 'not-there'].map((rest) => Buffer.from(prefix + rest)),
    ...[...new Set([first, last])]
      .map((shard) => keys.shard(shard))
      .flatMap(({ leader, floor, clock, quota, decisions, finished, requests }) => [
        ...[leader, floor, clock, quota],
        ...[decisions, finished, requests].map(within),
      ]),
    // The next keys before and after, another cluster's, and no one's.
    Buffer.from(prefix.slice(0, -1)),
    Buffer.from(`${prefix.slice(0, -1)}0`),
    new EtcdKeys(`${cluster.slice(0, 60)}-b`).meta,
    foreignKey,
  ];
}

async function isLetThrough(account: EtcdAdmin, place: Place, op: Op): Promise<boolean> {
  // No key was made before revision 0. All accounts read `meta`.
  const never: Compare = {
    key: new EtcdKeys(place.cluster).meta,
    target: 'Create',
    result: 'Less',
    create_revision: '0',
  };
  try {
    await account.call(({ kv }, options) => kv.txn({ compare: [never], success: [op] }, options));
    return true;
  } catch (error) {
    if (/PERMISSION_DENIED/.test(thrownLine(error))) return false;
    throw error;
  }
}
