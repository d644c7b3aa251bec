/**
 * Carries commands out on one decision log, and tells what it answered so that any other one's
 * answers can be compared.
 */
import { type Epoch, makePosition, type Txid } from '../../../../src/core/txid.ts';
import type { DecisionLog, Leadership } from '../../../../src/ports/decision-log.ts';
import type { DecisionLogFixture } from '../log-fixtures.ts';
import { commitOf, epochAbove, never, someBranches, txidAt } from '../stores.ts';
import { type Command, maxSequence, requestIds } from './commands.ts';

const all = 1_000;

export interface ScriptAnswer {
  readonly command: Command['do'];
  readonly answer: unknown;
  /** How the leadership stands after it. */
  readonly standing: unknown;
}

/** The answers to the commands, then to questions about all that is there in the end. */
export async function runScript(
  fixture: DecisionLogFixture,
  commands: readonly Command[],
): Promise<readonly ScriptAnswer[]> {
  const run = new Run(fixture);
  const answers: ScriptAnswer[] = [];
  await run.begin();
  const ask = async (asked: readonly Command[]): Promise<void> => {
    for (const command of asked) {
      const answer = await run.answer(command);
      answers.push({ command: command.do, answer, standing: run.standing() });
    }
  };
  await ask(commands);
  await ask(run.questions());
  return answers;
}

class Run {
  readonly #fixture: DecisionLogFixture;
  readonly #leaderships: Leadership[] = [];
  #log: DecisionLog | null = null;
  /** The one before, where its log is still open. */
  #before: Leadership | null = null;

  constructor(fixture: DecisionLogFixture) {
    this.#fixture = fixture;
  }

  async begin(): Promise<void> {
    this.#log = await this.#fixture.open('alpha');
    this.#before = null;
    this.#leaderships.push(await this.#log.campaign(0, { signal: never }));
  }

  async answer(command: Command): Promise<unknown> {
    try {
      return this.#plain(await this.#do(command));
    } catch (error) {
      // The texts say more to people, and differ.
      return { rejected: (error as Error).name };
    }
  }

  standing(): unknown {
    const { lost } = this.#now;
    const epochs = this.#leaderships.map(({ epoch }) => epoch);
    return {
      certain: this.#now.isCertain(),
      lost: lost.aborted,
      requests: this.#now.requestCount(),
      rising: epochs.every((epoch, index) => index === 0 || epoch > (epochs[index - 1] as Epoch)),
    };
  }

  /** About everything that any leadership may have left. */
  questions(): readonly Command[] {
    const sequences = Array.from({ length: maxSequence }, (_, index) => index + 1);
    const reads = [...this.#leaderships.keys()].flatMap((back) =>
      sequences.map((sequence): Command => ({ do: 'read', back, sequence })),
    );
    return [
      ...reads,
      ...requestIds.map((request): Command => ({ do: 'request', by: 'now', request })),
      { do: 'pending', by: 'now', after: null, limit: all },
      { do: 'retired' },
      { do: 'tick', by: 'now' },
    ];
  }

  get log(): DecisionLog {
    if (this.#log === null) throw new Error('The log is not open.');
    return this.#log;
  }

  get #now(): Leadership {
    return this.#leaderships.at(-1) as Leadership;
  }

  async #do(command: Command): Promise<unknown> {
    const by = 'by' in command && command.by === 'before' ? this.#before : this.#now;
    if (by === null) return 'no one has led before';
    switch (command.do) {
      case 'decide': {
        // Together: what comes in one turn is decided in its order.
        const calls = command.writes.map(({ sequence, request, finished }) =>
          by.decide(
            commitOf(txidAt(by.epoch, sequence), {
              finished,
              ...(request === null ? {} : { requestId: request }),
            }),
          ),
        );
        const settled = await Promise.allSettled(calls);
        return settled.map((each) =>
          each.status === 'fulfilled' ? each.value : { rejected: (each.reason as Error).name },
        );
      }
      case 'decide-other-epoch':
        return by.decide(commitOf(this.#txid({ back: 1, sequence: command.sequence })));
      case 'finish':
        return by.finish(
          command.sequences.map((sequence) => this.#txid({ back: command.back, sequence })),
        );
      case 'settle': {
        const names = someBranches.map(({ branch }) => branch);
        const [branch = ''] = names;
        return by.settle({
          txid: this.#txid(command),
          byHand: [{ branch, participant: branch, by: 'ops', reason: 'lost', atMs: 1 }],
          left: command.left === null ? null : names.slice(0, command.left),
        });
      }
      case 'tick':
        return by.tick(1);
      case 'collect':
        return by.collect({
          ...command,
          below: makePosition(by.epoch, command.below),
          keepsRequest: (id) => id === command.kept,
        });
      case 'request':
        return by.readRequest(command.request);
      case 'pending': {
        const { after, limit } = command;
        return by.pending({ after: after === null ? null : txidAt(by.epoch, after), limit });
      }
      case 'read':
        return this.log.read(this.#txid(command));
      case 'resolve':
        return this.log.resolve(this.#txid(command));
      case 'retire':
        return this.log.retire({ participant: 'inventory', instance: command.instance });
      case 'retired':
        return this.log.retired();
      case 'bind':
      case 'rebind': {
        const claim = { participant: 'inventory', instance: command.instance };
        return this.log[command.do](claim, command.identity);
      }
      case 'resign': {
        await this.#now.resign();
        const next = await this.log.campaign(0, { signal: never });
        this.#before = this.#now;
        this.#leaderships.push(next);
        return;
      }
      case 'usurp': {
        const next = await this.#fixture.usurp(this.log, 0);
        this.#before = this.#now;
        this.#leaderships.push(next);
        return;
      }
      case 'restart':
        await this.#now.resign();
        await this.log.close();
        return this.begin();
    }
  }

  #txid({ back, sequence }: { readonly back: number; readonly sequence: number }): Txid {
    const epoch = back < 0 ? epochAbove(this.#now.epoch) : this.#leaderships.at(-1 - back)?.epoch;
    return txidAt(epoch ?? epochBelow(this.#now.epoch), sequence);
  }

  /**
   * Epochs by their order, and nothing of what is each log's own: revisions, the wall clock, who
   * took over.
   */
  #plain(value: unknown): unknown {
    if (typeof value === 'string') {
      return this.#leaderships.reduce(
        (text, { epoch }, index) => text.replaceAll(epoch, `<${index}>`),
        value,
      );
    }
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((each) => this.#plain(each));
    const fields = Object.entries(value).filter(
      ([name]) => !['witness', 'atMs', 'node', 'url'].includes(name),
    );
    return Object.fromEntries(fields.map(([name, each]) => [name, this.#plain(each)]));
  }
}

function epochBelow(epoch: Epoch): Epoch {
  return '0'.repeat(epoch.length) as Epoch;
}
