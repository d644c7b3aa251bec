/**
 * Admits peers: by their credential, as what it gives them a right to; participants if neither
 * retired, nor another identity's, nor on a copied journal.
 */
import { shareOf } from '../core/access/address-share.ts';
import { helloProblem } from '../core/access/judge-access.ts';
import type { Rights } from '../core/access/rights.ts';
import type { FromNode, Hello, PeerRole } from '../core/messages.ts';
import { RetiredSet } from '../core/retired.ts';
import type { Refusal } from '../core/term/events.ts';
import type { Access, Asker, Credited, Who } from '../ports/access.ts';
import type { Connection, Door } from '../ports/transport.ts';
import type { Bindings } from './bindings.ts';
import { Copies } from './copies.ts';
import type { ParticipantSessions } from './participants.ts';
import type { Uses } from './uses.ts';

/** Who comes by the listener of operators, where there is one. */
const operating: ReadonlySet<PeerRole> = new Set(['operator', 'viewer']);

/** Who is let in. `rights` null: it may do everything. */
export interface Admitted {
  readonly who: Who;
  readonly rights: Rights | null;
}

export type Admittance = Admitted | Refusal;

export interface AdmissionOptions {
  readonly access: Access;
  /** Whether operators have a listener of their own. */
  readonly hasOperatorDoor: boolean;
  /** Whose instances and shared resources are. */
  readonly bindings: Pick<Bindings, 'admits' | 'refusal'>;
  /** How many connections each identity has. */
  readonly uses: Pick<Uses, 'connect' | 'ended'>;
  readonly participants: Pick<ParticipantSessions, 'replacedBy'>;
  readonly tellCopied: (hello: Hello, text: string) => void;
}

export class Admission {
  readonly #given: AdmissionOptions;
  /** What operators have retired, as far as this node has heard. */
  readonly retired: RetiredSet = new RetiredSet();
  readonly #copies = new Copies();

  constructor(given: AdmissionOptions) {
    this.#given = given;
  }

  /** At once where nothing has to be asked for. */
  admit(hello: Hello, connection: Connection<FromNode>): Admittance | Promise<Admittance> {
    const credited = this.credit(hello, connection);
    return credited instanceof Promise
      ? credited.then((answer) => this.#credited(hello, connection, answer))
      : this.#credited(hello, connection, credited);
  }

  /** Who a peer is, by what it showed as it came and what its hello brings. */
  credit(hello: Hello, connection: Connection<FromNode>): Credited | Promise<Credited> {
    const { access } = this.#given;
    if (connection.authenticated) return { status: 'right', who: connection.authenticated };
    if (hello.proof !== undefined) {
      const who = connection.check?.(hello.proof) ?? null;
      if (who !== null) return { status: 'right', who };
    }
    if (access.isOpen) return { status: 'right', who: { identity: null, expiresAtMs: null } };
    if (hello.token !== undefined) {
      return access.whoHas(hello.token, askerOf(connection, null));
    }
    return { status: 'wrong', why: access.hasRights ? credentialMissing : tokenMissing };
  }

  /** Who has the token: for a connection that goes on with it. `identity`: whose it is. */
  renews(
    token: string,
    connection: Connection<FromNode>,
    identity: string | null,
  ): Credited | Promise<Credited> {
    return this.#given.access.whoHas(token, askerOf(connection, identity));
  }

  #credited(
    hello: Hello,
    connection: Connection<FromNode>,
    credited: Credited,
  ): Admittance | Promise<Admittance> {
    if (credited.status === 'wrong') {
      const code = credited.passes === true ? 'BUSY' : 'UNAUTHENTICATED';
      return { code, message: credited.why };
    }
    const { who } = credited;
    const letIn = (): Admittance => this.#admittance(hello, connection, who);
    const isBound = who.identity !== null && hello.roles.includes('participant');
    if (!isBound) return letIn();
    const refusal = this.#refusal(hello, connection, who);
    if (refusal !== null) return refusal;
    // Meanwhile it may have been retired, and the access file be another (!).
    const rights = this.rightsOf(who);
    const max = rights === null || 'code' in rights ? undefined : rights.quotas.instances;
    // It has its place while the log is asked: one that there is no place for binds nothing.
    const { uses, bindings } = this.#given;
    const place = rights === null || 'code' in rights ? null : rights;
    const full = place === null ? null : this.connect(hello, place);
    if (full !== null) return full;
    const held = bindings.admits(hello, who.identity, max).finally(() => {
      // Whoever is let in takes it again before anything else comes to be read.
      if (place !== null) uses.ended(place.name);
    });
    return held.then((refused) => refused ?? letIn());
  }

  /**
   * Counts its connection; why it may not have it, or null. (!) The one before it may be half-open,
   * and counts until that is noticed: its own participant comes back in its place.
   */
  connect(hello: Hello, rights: Rights): Refusal | null {
    const { uses, participants } = this.#given;
    const isParticipant = hello.roles.includes('participant');
    return uses.connect(rights, isParticipant ? participants.replacedBy(hello).length : 0);
  }

  #admittance(hello: Hello, connection: Connection<FromNode>, who: Who): Admittance {
    const refusal = this.#refusal(hello, connection, who) ?? this.#copied(hello, connection);
    if (refusal !== null) return refusal;
    const rights = this.rightsOf(who);
    return rights !== null && 'code' in rights ? rights : { who, rights };
  }

  /** By what this node knows now. */
  #refusal(hello: Hello, { door }: Connection<FromNode>, who: Who): Refusal | null {
    const rights = this.rightsOf(who);
    if (rights !== null && 'code' in rights) return rights;
    const problem = this.#problem(hello, rights, door);
    if (problem !== null || !hello.roles.includes('participant')) return problem;
    const { name: participant, instance, sharedResource = null } = hello;
    if (this.retired.refuses({ participant, instance, sharedResource }))
      return { code: 'FORBIDDEN', message: retiredText(participant, instance) };
    return who.identity === null ? null : this.#given.bindings.refusal(hello, who.identity);
  }

  /** Null: everything. */
  rightsOf(who: Who): Rights | Refusal | null {
    const { access } = this.#given;
    if (!access.hasRights) return null;
    return access.rightsOf(who) ?? { code: 'UNAUTHENTICATED', message: credentialMissing };
  }

  #problem(hello: Hello, rights: Rights | null, door: Door = 'all'): Refusal | null {
    const operates = hello.roles.some((role) => operating.has(role));
    if (operates && door === 'all' && this.#given.hasOperatorDoor)
      return { code: 'FORBIDDEN', message: operatorsElsewhere };
    if (door === 'operators' && !(operates && hello.roles.every((role) => operating.has(role))))
      return { code: 'FORBIDDEN', message: operatorsOnly };
    return rights === null ? null : helloProblem(rights, hello);
  }

  /** Of one whose place another connection of its instance took; null: it may come back. */
  supersededRefusal(hello: Hello | null): Refusal | null {
    return hello === null ? null : this.#asCopied(hello, this.#copies.refusal(hello));
  }

  #copied(hello: Hello, { remoteAddress }: Connection<FromNode>): Refusal | null {
    if (!hello.roles.includes('participant')) return null;
    return this.#asCopied(hello, this.#copies.claim(hello, remoteAddress));
  }

  #asCopied(hello: Hello, message: string | null): Refusal | null {
    if (message === null) return null;
    this.#given.tellCopied(hello, message);
    return { code: 'JOURNAL_COPIED', message };
  }
}

function askerOf(
  { isPrivate, remoteAddress }: Connection<FromNode>,
  identity: string | null,
): Asker {
  const address = identity === null ? shareOf(remoteAddress) : `identity ${identity}`;
  return { private: isPrivate === true, share: { address, name: '' } };
}

export function isRefusal(answer: Admittance): answer is Refusal {
  return 'code' in answer;
}

export function retiredText(participant: string, instance: string): string {
  return `Instance ${instance} of ${participant} was retired by an operator. Start it with a new, empty data directory.`;
}

const tokenMissing =
  'The token is missing or wrong: give the one in the file that the nodes were started with (--token-file).';
const credentialMissing =
  "No identity of the access file has this peer's credential. Show a certificate, a JWT or a token that stands in it.";
const operatorsElsewhere =
  'Operators have a listener of their own (--operator-listen): connect there.';
const operatorsOnly = 'Only operators connect here.';
