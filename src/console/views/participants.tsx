/** Who takes part: the instances of each participant, and how much of it each node lets through. */
import type { JSX } from 'preact';
import type { ParticipantInfo } from '../../core/messages.ts';
import type { ClusterView } from '../link/cluster.ts';
import { tooOld } from '../link/gather.ts';
import { rebindAction, retireAction } from '../model/actions.ts';
import { duration, whole } from '../model/text.ts';
import { Actions } from './confirm.tsx';
import type { Asked } from './hooks.ts';
import { Card, Empty, Loading, Name, Notes, State, Table } from './parts.tsx';

interface Instance extends ParticipantInfo {
  readonly nodes: readonly string[];
}

export function Participants({
  asked,
  mayAct,
}: {
  readonly asked: Asked<ClusterView>;
  readonly mayAct: boolean;
}): JSX.Element {
  const { data } = asked;
  const instances = instancesIn(data);
  const windows = (data?.stats ?? []).flatMap(({ node, reply }) =>
    (reply.participants ?? []).map((each) => ({ node, ...each })),
  );
  return (
    <>
      <Card title="Windows and breakers">
        <Notes asked={asked} missing={data?.statsMissing} what="the windows" />
        <Loading asked={asked} />
        {windows.length === 0 && data !== null ? (
          <Empty>
            {data.stats.length === 0 ? tooOld : 'No participant has had work from these nodes yet.'}
          </Empty>
        ) : (
          <Table
            label="Windows and breakers"
            head={[
              'Participant',
              'At node',
              'Breaker',
              '#In flight',
              '#Window',
              '#Waiting',
              '#Time-out',
            ]}
          >
            {windows.map((each) => (
              <tr key={`${each.participant} ${each.node}`}>
                <th scope="row">
                  <Name text={each.participant} max={40} />
                </th>
                <td>
                  <Name text={each.node} max={24} />
                </td>
                <td>
                  <State state={each.breaker} />
                </td>
                <td class="number">{whole(each.inFlight)}</td>
                <td class="number">
                  <meter
                    min={0}
                    max={Math.max(1, each.window)}
                    value={each.inFlight}
                    aria-label={`${each.inFlight} of ${each.window}`}
                  />
                  {whole(each.window)}
                </td>
                <td class="number">{whole(each.waiting)}</td>
                <td class="number">
                  {each.timeoutMs === undefined ? '–' : duration(each.timeoutMs)}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Card>
      <Card title="Instances">
        {instances.length === 0 ? (
          <Empty>
            No participant is connected. Start one with <code>serveParticipant</code>, or try{' '}
            <code>verdict exec -</code>, which simulates some.
          </Empty>
        ) : (
          <Table
            label="Instances"
            head={[
              'Participant',
              'Instance',
              'Shared resource',
              'Connected to',
              '#Connections',
              ...(mayAct ? ['Actions'] : []),
            ]}
          >
            {instances.map((each) => (
              <tr key={`${each.participant} ${each.instance}`}>
                <th scope="row">
                  <Name text={each.participant} max={40} />
                </th>
                <td>
                  <Name text={each.instance} max={40} />
                </td>
                <td>
                  {each.sharedResource !== undefined && (
                    <Name text={each.sharedResource} max={32} />
                  )}
                </td>
                <td>
                  <span class="names">
                    {each.nodes.map((node) => (
                      <Name key={node} text={node} max={24} />
                    ))}
                  </span>
                </td>
                <td class="number">{each.connections}</td>
                {mayAct && (
                  <td>
                    <Actions
                      actions={[retireAction(each), rebindAction(each)]}
                      mayAct={mayAct}
                      after={asked.again}
                    />
                  </td>
                )}
              </tr>
            ))}
          </Table>
        )}
      </Card>
    </>
  );
}

function instancesIn(view: ClusterView | null): readonly Instance[] {
  const all = new Map<string, Instance>();
  for (const { node, reply } of view?.infos ?? []) {
    for (const each of reply.participants) {
      const key = JSON.stringify([each.participant, each.instance]);
      const before = all.get(key);
      all.set(key, {
        ...each,
        connections: each.connections + (before?.connections ?? 0),
        nodes: [...(before?.nodes ?? []), node],
      });
    }
  }
  return [...all.values()].sort((a, b) => (a.participant < b.participant ? -1 : 1));
}
