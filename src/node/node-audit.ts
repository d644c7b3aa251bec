/** What a node writes to its audit log about its connections: nothing of each transaction. */
import { shareOf } from '../core/access/address-share.ts';
import type { Hello, ToNode } from '../core/messages.ts';
import type { Audit, AuditPeer, ForcedAbort } from '../ports/audit.ts';
import type { Clock } from '../ports/clock.ts';
import type { CloseInfo } from '../ports/transport.ts';
import { isAction, OperatorActions } from './operator-actions.ts';
import { PeerLines } from './peer-lines.ts';
import { Refusals } from './refusals.ts';
import type { Session } from './session.ts';
import { unquoted, unquotedReason } from './unquoted.ts';

export class NodeAudit {
  readonly #audit: Audit;
  readonly #refusals: Refusals;
  readonly #lines: PeerLines;
  /** Whether their coming was written: so is their going, then. */
  readonly #comings = new WeakMap<Session, boolean>();

  constructor(audit: Audit, clock: Clock) {
    this.#audit = audit;
    this.#refusals = new Refusals(audit, clock);
    this.#lines = new PeerLines(audit, clock);
  }

  /** Before it was a connection: `status` is what HTTP was told. */
  refusedUpgrade(refused: { address: string; status: number; text: string }): void {
    const { address, status, text } = refused;
    const why = unquoted(text);
    const code = `HTTP_${status}`;
    this.#refusals.refused({ event: 'connection-refused', stage: 'upgrade', address, code, why });
  }

  accepted(session: Session): void {
    const line = { event: 'connection-accepted', ...peerOf(session, session.hello) } as const;
    if (!session.is('operator')) {
      this.#comings.set(session, this.#lines.write(line, nameOf(session)));
      return;
    }
    this.#audit.write(line);
    this.#comings.set(session, true);
    session.actions = new OperatorActions(this.#audit, () => peerOf(session, session.hello));
  }

  renewed(session: Session, expiresAtMs: number | null): void {
    const peer = peerOf(session, session.hello);
    this.#lines.write({ event: 'credential-renewed', ...peer, expiresAtMs }, nameOf(session));
  }

  asked(session: Session, message: ToNode): void {
    if (session.actions !== null && isAction(message)) session.actions.asked(message);
  }

  ended(session: Session, close: CloseInfo): void {
    const { kind, code } = close;
    const why = unquotedReason(close);
    session.actions?.ended();
    if (session.hello !== null) {
      const peer = peerOf(session, session.hello);
      const line = { event: 'connection-ended', ...peer, kind, code, why } as const;
      const isWritten = this.#comings.get(session);
      if (isWritten === true) this.#audit.write(line);
      else if (isWritten === false) this.#lines.leaveOut(line.event, nameOf(session));
      // Another connection had its place before it was told that it is let in.
      else this.#lines.write(line, nameOf(session));
      return;
    }
    const refusal = session.refusal ?? { code: 'NO_HELLO', message: why };
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
    { txid, by, recorded }: Pick<ForcedAbort, 'txid' | 'by' | 'recorded'>,
  ): void {
    const peer = session === undefined ? {} : peerOf(session, session.hello);
    const line = { event: 'forced-abort', ...peer, txid, by, recorded } as const;
    if (session === undefined || session.is('operator')) this.#audit.write(line);
    else this.#lines.write(line, nameOf(session));
  }

  close(): void {
    this.#refusals.close();
    this.#lines.close();
  }
}

/** Whose share of the lines it has: its identity's, or that of where it comes from. */
export function nameOf({ proved, connection }: Session): string {
  return proved ?? shareOf(connection.remoteAddress);
}

function peerOf(session: Session, hello: Hello | null): AuditPeer {
  const { id: connection, proved: identity } = session;
  const { remoteAddress: address } = session.connection;
  if (hello === null) return { connection, identity, address };
  const { name, instance, roles, sharedResource } = hello;
  const shared = sharedResource === undefined ? {} : { sharedResource };
  return { connection, identity, address, name, instance, roles, ...shared };
}
