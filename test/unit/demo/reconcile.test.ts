import { describe, expect, it } from 'vitest';
import type { Facts } from '../../../cluster/demo/internals/facts.ts';
import { reconcile } from '../../../cluster/demo/reconcile.ts';
import { serviceNames } from '../../../cluster/shop/paths.ts';
import { positionZero } from '../../../src/core/txid.ts';
import { type Mutable, perfectFacts } from '../../support/nodes/demo-facts.ts';

type Spoilt = Mutable<Facts>;

/** The names of the checks that found something. */
function failing(spoil: (facts: Spoilt) => void): string[] {
  const facts = perfectFacts();
  spoil(facts);
  return reconcile(facts as Facts)
    .filter(({ ok }) => !ok)
    .map(({ name }) => name);
}

/** The first key of a store's records that begins so. */
function keyOf(facts: Spoilt, service: (typeof serviceNames)[number], prefix: string): string {
  const key = [...facts.shop[service].records.keys()].find((found) => found.startsWith(prefix));
  if (key === undefined) throw new Error(`${service} has nothing under ${prefix}.`);
  return key;
}

function change(
  facts: Spoilt,
  service: (typeof serviceNames)[number],
  key: string,
  by: (record: { value: Record<string, unknown>; version: number }) => void,
): void {
  by(facts.shop[service].records.get(key) as never);
}

function answer(facts: Spoilt, outcome: 'committed' | 'aborted') {
  const found = facts.answers.find((one) => one.outcome === outcome);
  if (found === undefined) throw new Error(`No answer is ${outcome}.`);
  return found;
}

const finalAnswers = 'Every order has exactly one answer, and a final one';
const answersAgree = 'Every answer agrees with the decision log';
const commitsAnswered = 'Every commit in the log was answered, one for each order';
const expectations = 'What had to fail failed, for its own reason; the rest committed';
const quiet = 'Nothing is in doubt or unfinished anywhere';
const storesAgree = 'The five stores agree, order by order, with what was ordered';
const stock = 'Stock left and stock taken are the stock there was';
const money = 'Accounts and till are the money there was';
const versions = 'Every version counts its writes';
const effects = (service: string): string =>
  `${service} did what was committed, once, and nothing else`;

describe('the reconciliation', () => {
  it('finds nothing where all adds up', () => {
    const facts = perfectFacts(200);
    expect(reconcile(facts as Facts).flatMap(({ problems }) => problems)).toEqual([]);
    const outcomes = new Set(facts.answers.map(({ outcome }) => outcome));
    expect(outcomes).toEqual(new Set(['committed', 'aborted']));
  });

  it('names the ids, and stops listing at some point', () => {
    const facts = perfectFacts(200);
    facts.answers = [];
    const [first] = reconcile(facts as Facts);
    expect(first).toMatchObject({ name: finalAnswers, ok: false, problemCount: 200 });
    expect(first?.problems).toHaveLength(20);
    expect(first?.problems[0]).toMatch(/^order-\d+ has 0 answers/);
  });

  describe('of answers finds', () => {
    it('a missing one, a second one, one that no one asked for', () => {
      expect(
        failing(({ answers }) => {
          answers.splice(
            answers.findIndex(({ outcome }) => outcome === 'aborted'),
            1,
          );
        }),
      ).toContain(finalAnswers);
      expect(failing((facts) => facts.answers.push({ ...answer(facts, 'aborted') }))).toEqual([
        finalAnswers,
      ]);
      expect(
        failing((facts) => facts.answers.push({ ...answer(facts, 'aborted'), requestId: 'other' })),
      ).toEqual([finalAnswers]);
    });

    it('one that is not final', () => {
      expect(
        failing((facts) => {
          answer(facts, 'committed').outcome = 'unknown';
        }),
      ).toContain(finalAnswers);
    });

    it('a false "committed"', () => {
      expect(
        failing((facts) => {
          answer(facts, 'aborted').outcome = 'committed';
        }),
      ).toContain(answersAgree);
    });

    it('a false "aborted"', () => {
      const names = failing((facts) => {
        answer(facts, 'committed').outcome = 'aborted';
      });
      expect(names).toContain(answersAgree);
      expect(names).toContain(commitsAnswered);
    });

    it('a commit answered under another request', () => {
      const names = failing((facts) => {
        const [one, other] = facts.answers.filter(({ outcome }) => outcome === 'committed');
        if (one === undefined || other === undefined) throw new Error('Too few commits.');
        [one.txid, other.txid] = [other.txid, one.txid];
      });
      expect(names).toEqual([answersAgree]);
    });

    it('an order that should have failed, or failed for another reason, or failed at all', () => {
      expect(
        failing((facts) => {
          const stale = facts.answers.find(({ reason }) => reason?.code === 'CONFLICT');
          Object.assign(stale?.reason ?? {}, { code: 'VOTED_ABORT', retryable: false });
        }),
      ).toEqual([expectations]);
      expect(
        failing((facts) => {
          answer(facts, 'committed').outcome = 'aborted';
        }),
      ).toContain(expectations);
    });

    it('too many aborts by time-out, while a few are let pass', () => {
      const timeOut = (count: number) => (facts: Spoilt) => {
        const aborted = facts.answers.filter(({ outcome }) => outcome === 'aborted');
        for (const { reason } of aborted.slice(0, count)) {
          if (reason !== undefined)
            Object.assign(reason, { code: 'LOCK_TIMEOUT', retryable: true });
        }
      };
      expect(failing(timeOut(2))).toEqual([]);
      expect(failing(timeOut(6))).toEqual([expectations]);
    });

    it('one rare article sold too many', () => {
      expect(
        failing((facts) => {
          const hot = new Set(
            facts.orders.filter(({ expected }) => expected === 'hot').map((one) => one.orderId),
          );
          const refused = facts.answers.find(
            ({ requestId, outcome }) => outcome === 'aborted' && hot.has(requestId ?? ''),
          );
          if (refused !== undefined) refused.outcome = 'committed';
        }),
      ).toContain(expectations);
    });
  });

  describe('of the log finds', () => {
    it('a commit that was lost', () => {
      const names = failing((facts) => facts.log.finished.pop());
      expect(names).toEqual([answersAgree, ...serviceNames.map(effects)]);
    });

    it('two commits for one order', () => {
      const names = failing((facts) => {
        const [one, other] = facts.log.finished;
        if (one !== undefined && other !== undefined) other.requestId = one.requestId ?? '';
      });
      expect(names).toContain(commitsAnswered);
    });

    it('a decision that is not finished, and records that were collected', () => {
      expect(
        failing((facts) => {
          const record = facts.log.finished.pop();
          if (record === undefined) throw new Error('The log is empty.');
          facts.log.decisions.push(record);
        }),
      ).toEqual([quiet]);
      expect(
        failing((facts) => {
          facts.log.floor = positionZero.replace(/0$/, '1') as never;
        }),
      ).toEqual([commitsAnswered]);
    });
  });

  describe('of the stores finds', () => {
    const prefixes = {
      inventory: 'taken/',
      payment: 'capture/',
      order: 'order/',
      shipping: 'shipment/',
      notification: 'message/',
    } as const;

    it.each(serviceNames)('an effect that %s lost', (service) => {
      const names = failing((facts) => {
        facts.shop[service].records.delete(keyOf(facts, service, prefixes[service]));
      });
      expect(names).toContain(effects(service));
      expect(names).toContain(storesAgree);
    });

    it.each(serviceNames)('an effect that %s should not have, or has twice', (service) => {
      const names = failing((facts) => {
        const key = keyOf(facts, service, prefixes[service]);
        change(facts, service, key, ({ value }) => {
          value['txid'] = 'another';
        });
      });
      expect(names).toContain(effects(service));
      expect(names).toContain(storesAgree);
      expect(
        failing((facts) => {
          const key = keyOf(facts, service, prefixes[service]);
          const record = facts.shop[service].records.get(key);
          if (record !== undefined) facts.shop[service].records.set(`${key}-again`, record);
        }),
      ).toContain(effects(service));
    });

    it.each(serviceNames)('what %s holds in doubt, in its store or its journal', (service) => {
      const txid = 'txid' as never;
      expect(failing(({ shop }) => shop[service].prepared.push({ txid, branch: service }))).toEqual(
        [quiet],
      );
      expect(
        failing(({ journals }) =>
          journals[service].push({
            ...{ txid, branch: service, state: 'prepared' },
            ...{ epoch: '' as never, witness: null, payload: null, result: null, atMs: 0 },
          }),
        ),
      ).toEqual([quiet]);
    });

    it('another content than was ordered', () => {
      expect(
        failing((facts) => {
          change(facts, 'shipping', keyOf(facts, 'shipping', 'shipment/'), ({ value }) => {
            value['address'] = 'elsewhere';
          });
        }),
      ).toEqual([storesAgree]);
    });

    it('stock that is missing or too much', () => {
      expect(
        failing((facts) => {
          change(facts, 'inventory', 'sku/sku-003', ({ value }) => {
            value['stock'] = Number(value['stock']) + 1;
          });
        }),
      ).toEqual([stock]);
      expect(failing(({ shop }) => shop.inventory.records.delete('sku/sku-199'))).toContain(stock);
    });

    it('a cent that is missing, or in another account', () => {
      expect(
        failing((facts) => {
          for (const [account, cents] of [
            ['customer-001', -1],
            ['customer-002', 1],
          ] as const) {
            change(facts, 'payment', `account/${account}`, ({ value }) => {
              value['balanceCents'] = Number(value['balanceCents']) + cents;
            });
          }
        }),
      ).toEqual([money]);
    });

    it('a write done twice that changed no sum', () => {
      expect(
        failing((facts) => {
          change(facts, 'payment', 'account/customer-001', (record) => {
            record.version += 1;
          });
        }),
      ).toEqual([versions]);
    });
  });
});
