/** What became of transactions: asked of a node, else of etcd. */
import { explain } from '../../core/explain/explain.ts';
import { logFacts } from '../../core/explain/reading.ts';
import type { Explanation } from '../../core/messages.ts';
import type { Txid } from '../../core/txid.ts';
import { systemClock } from '../../system/clock.ts';
import { withEtcdReader } from '../operator/at-etcd.ts';
import { withOperator } from '../operator/operator.ts';
import type { DoctorFlags } from './command.ts';
import type { AskedOutcome, Prepared } from './prepared.ts';
import { within } from './within.ts';

/** `nodes`, `etcd`: whether they answered. */
export async function askOutcomes(
  flags: DoctorFlags,
  prepared: readonly Prepared[],
  able: { readonly nodes: boolean; readonly etcd: boolean },
): Promise<AskedOutcome[]> {
  const { timeout, etcd = [] } = flags;
  if (prepared.length === 0) return [];
  const all = async (of: (txid: Txid) => Promise<Explanation>): Promise<AskedOutcome[]> => {
    const asked: AskedOutcome[] = [];
    for (const each of prepared) {
      const explanation = await within(timeout, of(each.txid)).catch(() => null);
      asked.push({ prepared: each, explanation });
      // The rest would wait as long, and learn as little.
      if (explanation === null) break;
    }
    const rest = prepared.slice(asked.length);
    return [...asked, ...rest.map((each) => ({ prepared: each, explanation: null }))];
  };
  try {
    if (able.nodes) {
      return await withOperator(
        flags,
        (operator) => all((txid) => operator.explain(txid)),
        'every',
      );
    }
    if (able.etcd) {
      return await withEtcdReader({ ...flags, etcd }, (reader) =>
        all(async (txid) => {
          const issued = await reader.isIssued(txid);
          const log = logFacts(await reader.read(txid), systemClock.wallMs());
          const node = log.ok ? (log.leader?.node ?? null) : null;
          const leader = { type: 'silent', node, why: 'was not asked: no node answers' } as const;
          const facts = { txid, node: 'this command', issued, leader, log, participants: [] };
          return explain(facts);
        }),
      );
    }
  } catch {
    // Then it is not known.
  }
  return prepared.map((each) => ({ prepared: each, explanation: null }));
}
