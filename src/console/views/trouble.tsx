/** What someone has to mend, on every page: no leader, and what nodes say is wrong with them. */
import type { JSX } from 'preact';
import type { ClusterView } from '../link/cluster.ts';
import { leaderlessIn, leadersNow, ranges } from '../model/nodes.ts';
import { hashOf } from '../model/route.ts';
import { shown } from '../model/text.ts';

const maxProblems = 5;
const maxCharacters = 700;

export function Trouble({ view }: { readonly view: ClusterView }): JSX.Element | null {
  const leaders = leadersNow(view.infos);
  const leaderless = leaderlessIn(leaders);
  const problems = problemsIn(view.infos);
  if (leaderless.length === 0 && problems.length === 0) return null;
  return (
    <section class="banner" role="alert" aria-label="What is wrong">
      {leaderless.length > 0 && (
        <p>
          <b>
            {leaderless.length === leaders.length
              ? 'No node leads.'
              : `No node leads shards ${ranges(leaderless)}.`}
          </b>{' '}
          {view.missing.length > 0 && 'So say those that answer. '}
          Until one does, transactions there are neither begun nor decided, and what is prepared
          waits. <a href={hashOf(underWay)}>See what was under way</a>
        </p>
      )}
      {problems.slice(0, maxProblems).map(([text, nodes]) => (
        <p key={text}>
          <b>{shown(nodes.join(', '), 200)}:</b> {shown(text, maxCharacters)}
        </p>
      ))}
    </section>
  );
}

const underWay = {
  page: 'transactions',
  filter: { state: '', only: 'running', text: '' },
} as const;

/** Each with the nodes that say so. */
function problemsIn(infos: ClusterView['infos']): readonly [string, readonly string[]][] {
  const nodesOf = new Map<string, string[]>();
  for (const { node, reply } of infos) {
    for (const text of reply.problems ?? []) {
      nodesOf.set(text, [...(nodesOf.get(text) ?? []), node]);
    }
  }
  return [...nodesOf];
}
