/**
 * Whether a participant is let in as the instance, and with the shared resource, that it names:
 * each belongs to the identity that was the first to name it (docs/PROTOCOL.md, section 7).
 *
 * The log is read at each hello. What it said is remembered for one case alone: where it cannot be
 * read, whoever held it at the last reading comes in, and no one else does. So a log that is down
 * keeps out only who is new here.
 *
 * An operator may give it to another identity. What stops the former holder (!):
 *
 * - It is connected, here or elsewhere: every node hears before the operator is answered, and ends
 *   its connections.
 * - It says hello afterwards: the reading shows it. Where the log cannot be read, this node has
 *   heard, which changed what is remembered. Or it has no lease: then it leads nothing, so that no
 *   acknowledgement counts here, and it hears before it leads again.
 * - Its hello was being read meanwhile: a reading that began before this node heard is done again.
 * - This node hears between the reading and the welcome: `refusal` is asked in the welcome's turn.
 */
import { type Claim, claimsOf, type Rebound } from '../core/claims.ts';
import type { Hello } from '../core/messages.ts';
import { claimKey } from '../core/retired.ts';
import { busy, type Refusal } from '../core/term/events.ts';
import type { Clock } from '../ports/clock.ts';
import { BindRefusedError, type DecisionLog } from '../ports/decision-log.ts';

export interface BindingsOptions {
  readonly log: Pick<DecisionLog, 'bindAll' | 'watchRebound'>;
  readonly clock: Clock;
  /** Connections of any other identity than the one named must end before this returns. */
  readonly rebound: (rebound: Rebound) => void;
  /** The log could not be read; why. */
  readonly failed: (error: unknown) => void;
  /** How long a hello waits for the log. Below the time that a hello may take. Default 2,000. */
  readonly timeoutMs?: number;
  /** Hellos whose claims are being read at once; the others wait in order. Default 512. */
  readonly maxUnderWay?: number;
  /** Claims that are remembered, those of the latest hellos. Default 100,000. */
  readonly maxKnown?: number;
}

type Named = Pick<Hello, 'name' | 'instance' | 'sharedResource'>;

interface Held {
  readonly claim: Claim;
  readonly holder: string;
}

export class Bindings {
  readonly #options: Required<BindingsOptions>;
  /** Who held it when it was read last, the latest at the end. */
  readonly #known = new Map<string, string>();
  readonly #waiting: (() => void)[] = [];
  readonly #unwatch: () => void;
  #underWay = 0;
  /** How many rebinds were heard of. */
  #heard = 0;

  constructor(options: BindingsOptions) {
    this.#options = { timeoutMs: 2_000, maxUnderWay: 512, maxKnown: 100_000, ...options };
    this.#unwatch = options.log.watchRebound((rebound) => this.#hear(rebound));
  }

  close(): void {
    this.#unwatch();
  }

  /** How many hellos wait for others' readings, or for their own. */
  get waiting(): number {
    return this.#waiting.length + this.#underWay;
  }

  /** Null: it may come in, if `refusal` says the same in the turn in which it does. */
  async admits(
    hello: Named,
    identity: string,
    max: number = maxInstances,
  ): Promise<Refusal | null> {
    const claims = claimsOfHello(hello);
    const late = Promise.withResolvers<null>();
    let isLate = false;
    const timer = this.#options.clock.setTimer(this.#options.timeoutMs, () => {
      isLate = true;
      late.resolve(null);
    });
    try {
      for (;;) {
        const heard = this.#heard;
        const reading = this.#read(claims, { identity, max }, () => isLate);
        const holders = await Promise.race([reading, late.promise]);
        if (holders === null) return this.#withoutLog(claims, identity);
        if ('code' in holders) return holders;
        // It may have begun before this node heard: what was read may be over.
        if (heard !== this.#heard) continue;
        for (const { claim, holder } of holders) this.#remember(claim, holder);
        return this.refusal(hello, identity);
      }
    } finally {
      timer.cancel();
    }
  }

  /** By what this node knows now, without a reading. */
  refusal(hello: Named, identity: string): Refusal | null {
    const others = claimsOfHello(hello).find((claim) => {
      const holder = this.#known.get(claimKey(claim));
      return holder !== undefined && holder !== identity;
    });
    return others === undefined ? null : { code: 'FORBIDDEN', message: boundText(others) };
  }

  /** In its turn. Null where the log does not answer. */
  async #read(
    claims: readonly Claim[],
    { identity, max }: { readonly identity: string; readonly max: number },
    isLate: () => boolean,
  ): Promise<readonly Held[] | Refusal | null> {
    const { maxUnderWay, failed } = this.#options;
    if (this.#underWay >= maxUnderWay) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#underWay += 1;
    }
    try {
      if (isLate()) return null;
      return await this.#bind(claims, identity, max);
    } catch (error) {
      if (error instanceof BindRefusedError) return refusalOf(error);
      failed(error);
      return null;
    } finally {
      // Its place goes to the next.
      const next = this.#waiting.shift();
      if (next === undefined) this.#underWay -= 1;
      else next();
    }
  }

  /** In one step: a hello that is refused for one of them takes no place for the other. */
  async #bind(claims: readonly Claim[], identity: string, max: number): Promise<readonly Held[]> {
    const holders = await this.#options.log.bindAll(claims, identity, max);
    return claims.flatMap((claim, at): Held[] => {
      const holder = holders[at] ?? null;
      return holder === null ? [] : [{ claim, holder }];
    });
  }

  /** No refusal for good: it may have been given to this one while the log cannot be read. */
  #withoutLog(claims: readonly Claim[], identity: string): Refusal | null {
    if (claims.every((claim) => this.#known.get(claimKey(claim)) === identity)) return null;
    return { code: 'LOG_UNAVAILABLE', message: unreadText };
  }

  #remember(claim: Claim, identity: string): void {
    const key = claimKey(claim);
    this.#known.delete(key);
    this.#known.set(key, identity);
    if (this.#known.size <= this.#options.maxKnown) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }

  #hear(rebound: Rebound): void {
    this.#heard += 1;
    const key = claimKey(rebound.claim);
    if (this.#known.has(key)) this.#known.set(key, rebound.identity);
    this.#options.rebound(rebound);
  }
}

function claimsOfHello(hello: Named): Claim[] {
  const { name: participant, instance, sharedResource = null } = hello;
  return claimsOf({ participant, instance, sharedResource });
}

/** Of an identity, of one participant's: where the access file says nothing else. */
const maxInstances = 10_000;
/** An operator makes room, in his own time. */
const fullRetryMs = 60_000;

function refusalOf({ why, message }: BindRefusedError): Refusal {
  return why === 'full' ? busy(message, fullRetryMs) : { code: 'FORBIDDEN', message };
}

/** Without the name of the other identity: a stranger must not learn who may be what. */
function boundText(claim: Claim): string {
  const { participant } = claim;
  return 'instance' in claim
    ? `Instance ${claim.instance} of ${participant} belongs to another identity, the first that said hello as it. Start this process with a new, empty data directory; or, if the instance is now this identity's, an operator gives it to it with \`verdict rebind\`.`
    : `The shared resource ${claim.sharedResource} of ${participant} belongs to another identity, the first that said hello with it. Let all processes of a shared resource have one identity; or, if it is now this one's, an operator gives it to it with \`verdict rebind\`.`;
}

const unreadText =
  'The decision log cannot be read, and this node has not seen this identity hold that instance before. It is let in once the log is back.';
