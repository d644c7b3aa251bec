/** Admits peers: with the token; participants if neither retired nor on a copied journal. */
import type { FromNode, Hello } from '../core/messages.ts';
import { RetiredSet } from '../core/retired.ts';
import type { Refusal } from '../core/term/events.ts';
import type { Connection } from '../ports/transport.ts';
import { isSecret } from '../system/secret.ts';
import { Copies } from './copies.ts';

export class Admission {
  readonly #token: string | null;
  readonly #tellCopied: (hello: Hello, text: string) => void;
  /** What operators have retired, as far as this node has heard. */
  readonly retired: RetiredSet = new RetiredSet();
  readonly #copies = new Copies();

  constructor(token: string | null, tellCopied: (hello: Hello, text: string) => void) {
    this.#token = token;
    this.#tellCopied = tellCopied;
  }

  refusal(hello: Hello, connection: Connection<FromNode>): Refusal | null {
    const token = this.#token;
    const shown = connection.authenticated === true;
    if (token !== null && !shown && !isSecret(hello.token, token)) {
      return {
        code: 'UNAUTHENTICATED',
        message:
          'The token is missing or wrong: give the one in the file that the nodes were started with (--token-file).',
      };
    }
    if (!hello.roles.includes('participant')) return null;
    const { name: participant, instance, sharedResource = null } = hello;
    if (this.retired.refuses({ participant, instance, sharedResource })) {
      return { code: 'FORBIDDEN', message: retiredText(participant, instance) };
    }
    return this.#copied(hello, this.#copies.claim(hello, connection.remoteAddress));
  }

  /** Of one whose place another connection of its instance took; null: it may come back. */
  supersededRefusal(hello: Hello | null): Refusal | null {
    return hello === null ? null : this.#copied(hello, this.#copies.refusal(hello));
  }

  #copied(hello: Hello, message: string | null): Refusal | null {
    if (message === null) return null;
    this.#tellCopied(hello, message);
    return { code: 'JOURNAL_COPIED', message };
  }
}

export function retiredText(participant: string, instance: string): string {
  return `Instance ${instance} of ${participant} was retired by an operator. Start it with a new, empty data directory.`;
}
