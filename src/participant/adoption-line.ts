/**
 * How an operator tells a service, without a change of code, that the decision log was made anew:
 *
 *     VERDICT_ADOPT_CLUSTER='OLD:NEW TXID=commit TXID=rollback'
 *
 * It names the old cluster too: one process may serve several, and the variable may stay set.
 */
import { checkFields, type Fields, shown } from '../core/fields.ts';
import { isTxid } from '../core/txid.ts';
import type { Adoption } from './adopt-cluster.ts';

export const adoptionVariable = 'VERDICT_ADOPT_CLUSTER';

/** What a decision log makes; anything else is not for a shell. */
const idPattern = /^[a-z0-9]{1,64}$/i;
/** In one message. */
const maxNamed = 20;

const adoptionFields: Fields<Adoption> = { id: 'text', from: 'text', inDoubt: 'object' };

/** Throws a TypeError for what cannot be: ids and outcomes that no alarm names. */
export function checkAdoption(adoption: Adoption | undefined): void {
  if (adoption === undefined) return;
  checkFields(adoption, adoptionFields, 'adoptCluster');
  const { id, from, inDoubt = {} }: Partial<Adoption> = adoption;
  for (const [what, given] of Object.entries({ id, from })) {
    if (what === 'from' && given === undefined) continue;
    if (given === undefined || !idPattern.test(given)) {
      throw new TypeError(
        `adoptCluster.${what} must be the id of a cluster, as the alarm other-cluster names it, not ${shown(given)}.`,
      );
    }
  }
  for (const [txid, outcome] of Object.entries(inDoubt)) {
    if (isTxid(txid) && (outcome === 'commit' || outcome === 'rollback')) continue;
    throw new TypeError(
      `adoptCluster.inDoubt must say 'commit' or 'rollback' of txids, not ${shown(outcome)} of ${shown(txid)}.`,
    );
  }
}

/** Null where there is none. Throws a TypeError that says what is wrong with it. */
export function readAdoption(text: string | undefined): Adoption | null {
  if (text === undefined || text.trim() === '') return null;
  const [ids = '', ...outcomes] = text.trim().split(/[\s,]+/);
  const [from = '', id = '', ...more] = ids.split(':');
  if (!idPattern.test(from) || !idPattern.test(id) || more.length > 0) {
    throw malformed(`begins with ${JSON.stringify(ids)}`);
  }
  const inDoubt: Record<string, 'commit' | 'rollback'> = {};
  for (const each of outcomes) {
    const [txid = '', outcome = ''] = each.split('=');
    if (!isTxid(txid) || (outcome !== 'commit' && outcome !== 'rollback')) {
      throw malformed(`has ${JSON.stringify(each)}`);
    }
    if ((inDoubt[txid] ?? outcome) !== outcome) throw malformed(`says both of ${txid}`);
    inDoubt[txid] = outcome;
  }
  return { from, id, inDoubt };
}

/** For a person to paste, with a question mark for each outcome that is to be found out. */
export function adoptionLine(adoption: {
  readonly from: string;
  readonly to: string;
  readonly inDoubt?: Readonly<Record<string, string>>;
  readonly untold: readonly string[];
}): string {
  const { from, to, inDoubt = {}, untold } = adoption;
  const ids = [from, to].map((id, index) =>
    idPattern.test(id) ? id : index === 0 ? 'OLD' : 'NEW',
  );
  const told = Object.entries(inDoubt).map(([txid, outcome]) => `${txid}=${outcome}`);
  const asked = untold.slice(0, maxNamed).map((txid) => `${txid}=?`);
  const line = `${adoptionVariable}='${[ids.join(':'), ...told, ...asked].join(' ')}'`;
  const left = untold.length - asked.length;
  return left === 0
    ? line
    : `${line} and ${left} more: npx verdict journal DIRECTORY lists them all`;
}

function malformed(what: string): TypeError {
  return new TypeError(
    `${adoptionVariable} ${what}. It must be OLD:NEW, the ids that the alarm names, then TXID=commit or TXID=rollback for each transaction in doubt, with spaces between.`,
  );
}
