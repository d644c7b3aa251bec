/**
 * Whether etcd refuses who asks, and not the question: that looks like an outage otherwise, and no
 * one who waits for etcd to come back would look at the account.
 */
import { thrownText } from '../../core/thrown.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import type { EtcdAccess } from './client.ts';

/** Etcd is there. Names the user, and never the password. */
export class AccountRefusedError extends DecisionLogError {
  override readonly name = 'AccountRefusedError';
}

/** Null: the error is of another kind. */
export function accountRefusal(
  error: unknown,
  { endpoints, auth, tls }: Pick<EtcdAccess, 'endpoints' | 'auth' | 'tls'>,
): AccountRefusedError | null {
  const said = thrownText(error);
  const at = endpoints.join(', ');
  const own = tls?.cert === undefined ? 'without a user' : 'as the user of its certificate';
  const who = auth === undefined ? own : `as the user ${auth.username}`;
  const what = (text: string): AccountRefusedError =>
    new AccountRefusedError(`Etcd at ${at} refuses this account: this process comes ${who}${text}`);
  if (/authentication failed/.test(said)) {
    return what(
      ', and etcd does not know that user with this password. Compare both with what `verdict etcd-setup` has made.',
    );
  }
  if (/user name is empty/.test(said)) {
    return what(
      ', and etcd asks for one. Give the user and the password that `verdict etcd-setup` has made, or a certificate with its name.',
    );
  }
  if (/permission denied/i.test(said)) {
    return what(
      ', which may not do what this process needs (permission denied). Its rights are for one cluster and one kind of process: compare the name of the cluster and the user, and run `verdict etcd-setup` again.',
    );
  }
  return null;
}
