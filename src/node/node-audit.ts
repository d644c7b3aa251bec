/** What a node writes to its audit log about its connections: nothing of each transaction. */
import type { Hello, ToNode } from '../core/messages.ts';
import type { Audit, AuditPeer, ForcedAbort } from '../ports/audit.ts';
import type { Clock } from '../ports/clock.ts';
import type { CloseInfo } from '../ports/transport.ts';
import { isAction, OperatorActions } from './operator-actions.ts';
import { Refusals } from './refusals.ts';
import type { Session } from './session.ts';
import { unquoted } from './unquoted.ts';

export class NodeAudit {
  readonly #audit: Audit;
  readonly #refusals: Refusals;

  constructor(audit: Audit, clock: Clock) {
    this.#audit = audit;
    this.#refusals = new Refusals(audit, clock);
  }

  /** Before it was a connection: `status` is what HTTP was told. */
  refusedUpgrade(refused: { address: string; status: number; text: string }): void {
    const { address, status, text: why } = refused;
    const code = `HTTP_${status}`;
    this.#refusals.refused({ event: 'connection-refused', stage: 'upgrade', address, code, why });
  }

  accepted(session: Session): void {
    this.#audit.write({ event: 'connection-accepted', ...peerOf(session, session.hello) });
    if (!session.is('operator')) return;
    session.actions = new OperatorActions(this.#audit, () => peerOf(session, session.hello));
  }

  renewed(session: Session, expiresAtMs: number | null): void {
    const peer = peerOf(session, session.hello);
    this.#audit.write({ event: 'credential-renewed', ...peer, expiresAtMs });
  }

  asked(session: Session, message: ToNode): void {
    if (session.actions !== null && isAction(message)) session.actions.asked(message);
  }

  ended(session: Session, { kind, code, reason }: CloseInfo): void {
    session.actions?.ended();
    if (session.hello !== null) {
      const peer = peerOf(session, session.hello);
      this.#audit.write({ event: 'connection-ended', ...peer, kind, code, why: reason });
      return;
    }
    const refusal = session.refusal ?? { code: 'NO_HELLO', message: reason };
    this.#refusals.refused({
      event: 'connection-refused',
      stage: 'hello',
      ...peerOf(session, session.claimed),
      code: refusal.code,
      why: unquoted(refusal.message),
    });
  }

  forced(
    session: Session | undefined,
    forced: Pick<ForcedAbort, 'txid' | 'by' | 'recorded'>,
  ): void {
    const peer = session === undefined ? {} : peerOf(session, session.hello);
    this.#audit.write({ event: 'forced-abort', ...peer, ...forced });
  }

  close(): void {
    this.#refusals.close();
  }
}

function peerOf(session: Session, hello: Hello | null): AuditPeer {
  const { id: connection, proved: identity } = session;
  const { remoteAddress: address } = session.connection;
  if (hello === null) return { connection, identity, address };
  const { name, instance, roles, sharedResource } = hello;
  const shared = sharedResource === undefined ? {} : { sharedResource };
  return { connection, identity, address, name, instance, roles, ...shared };
}
