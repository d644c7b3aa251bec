/** The cluster at a glance: who leads what, how much is done, how long it takes, what is wrong. */
import type { JSX } from 'preact';
import { type ShardInfo, transactionStates } from '../../core/messages.ts';
import type { ClusterView } from '../link/cluster.ts';
import { tooOld } from '../link/gather.ts';
import { leaderlessIn, leadersNow, nodesIn, ranges } from '../model/nodes.ts';
import { hashOf } from '../model/route.ts';
import { duration, plural, rate, shown, timeOfDay, whole } from '../model/text.ts';
import { Chart, type Line } from './chart.tsx';
import { type Asked, useDesk, useDeskState } from './hooks.ts';
import { Card, Empty, Loading, Name, NodeLink, Notes, State, Table } from './parts.tsx';

const throughputLines: readonly Line[] = [
  { label: 'committed', color: '--line-1' },
  { label: 'aborted', color: '--line-2' },
];
const latencyLines: readonly Line[] = [
  { label: 'p50', color: '--line-1' },
  { label: 'p99', color: '--line-3' },
];

export function Overview({
  asked,
  theme,
}: {
  readonly asked: Asked<ClusterView>;
  readonly theme: string;
}): JSX.Element {
  const { data } = asked;
  if (data === null) {
    return (
      <>
        <Loading asked={asked} />
        <Notes asked={asked} what="figures" />
      </>
    );
  }
  return (
    <>
      <Notes asked={asked} what="figures" />
      <Figures view={data} />
      <Charts view={data} theme={theme} />
      <Nodes view={data} atMs={asked.atMs} />
      <Work view={data} />
    </>
  );
}

function Figures({ view }: { readonly view: ClusterView }): JSX.Element {
  const { rates } = view;
  const attention = attentionIn(view);
  const flying = inFlight(view);
  return (
    <ul class="figures" aria-label="Figures">
      <Figure label="Committed per second" value={rates === null ? '–' : rate(rates.committed)} />
      <Figure label="Aborted per second" value={rates === null ? '–' : rate(rates.aborted)} />
      <Figure label="p50, begin to outcome" value={ms(rates?.p50Ms)} />
      <Figure label="p99, begin to outcome" value={ms(rates?.p99Ms)} />
      <Figure label="In flight" value={whole(flying)} />
      <Figure
        label="Need an operator"
        value={whole(attention)}
        href={hashOf({ page: 'attention' })}
        tone={attention > 0 ? 'bad' : ''}
      />
    </ul>
  );
}

function ms(value: number | null | undefined): string {
  return value == null ? '–' : duration(value);
}

function Figure(given: {
  readonly label: string;
  readonly value: string;
  readonly href?: string;
  readonly tone?: string;
}): JSX.Element {
  const { label, value, href, tone = '' } = given;
  const inside = (
    <>
      <span class={`value ${tone}`}>{value}</span>
      <span class="label">{label}</span>
    </>
  );
  return <li>{href === undefined ? inside : <a href={href}>{inside}</a>}</li>;
}

function Charts({
  view,
  theme,
}: {
  readonly view: ClusterView;
  readonly theme: string;
}): JSX.Element {
  const { rates, statsMissing, stats } = view;
  if (stats.length === 0) {
    const why = statsMissing.find((each) => each.why !== tooOld)?.why ?? tooOld;
    return (
      <Card title="Throughput and latency">
        <Empty>No node tells how much it does. {shown(why, 300)}</Empty>
      </Card>
    );
  }
  return (
    <div class="pair">
      <Card title="Throughput" aside={<Legend lines={throughputLines} unit="per second" />}>
        <Chart
          label={`Transactions per second over the last minutes: now ${rates === null ? 'not known' : `${rate(rates.committed)} committed, ${rate(rates.aborted)} aborted`}`}
          lines={throughputLines}
          columns={view.throughput}
          theme={theme}
          format={rate}
        />
        <Endings view={view} />
      </Card>
      <Card title="Latency" aside={<Legend lines={latencyLines} unit="begin to outcome" />}>
        <Chart
          label={`Latency over the last minutes: now p50 ${ms(rates?.p50Ms)}, p99 ${ms(rates?.p99Ms)}`}
          lines={latencyLines}
          columns={view.latency}
          theme={theme}
          format={duration}
        />
        <p class="small">
          From histograms of the nodes: within a bucket it is taken as evenly spread.
        </p>
      </Card>
    </div>
  );
}

function Legend({ lines, unit }: { readonly lines: readonly Line[]; readonly unit: string }) {
  return (
    <span class="legend">
      {lines.map(({ label, color }) => (
        <span key={label}>
          <i class={`swatch ${color.replace('--', '')}`} />
          {label}
        </span>
      ))}
      <span class="unit">{unit}</span>
    </span>
  );
}

const maxEndings = 6;

function Endings({ view }: { readonly view: ClusterView }): JSX.Element {
  const endings = view.rates?.endings ?? [];
  return (
    <ul class="chips" aria-label="Outcomes per second">
      {endings.length === 0 && <li class="small">Nothing has ended in the last second.</li>}
      {endings.slice(0, maxEndings).map(([ending, perSecond]) => (
        <li key={ending}>
          <Name text={ending} max={32} /> <b>{rate(perSecond)}</b>/s
        </li>
      ))}
    </ul>
  );
}

function Nodes({ view, atMs }: { readonly view: ClusterView; readonly atMs: number }): JSX.Element {
  const desk = useDesk();
  const { node: own, nodes, leaders: told } = useDeskState(desk);
  const leaders = leadersNow(view.infos);
  const answered = new Map(view.infos.map(({ node, reply }) => [node, reply]));
  const stats = new Map(view.stats.map(({ node, reply }) => [node, reply]));
  const why = new Map(view.missing.map((each) => [each.node, each.why]));
  const leaderless = leaderlessIn(leaders);
  return (
    <Card title="Nodes" aside={<span class="small">{leadText(leaders.length, leaderless)}</span>}>
      <Table
        label="Nodes"
        head={['Node', 'Leads shards', 'Ready', '#Connections', '#Loop delay', 'Version', 'Up']}
      >
        {nodesIn(nodes, told).map(({ node, url }) => {
          const info = answered.get(node);
          const led = leaders.flatMap((leader, shard) => (leader?.node === node ? [shard] : []));
          const loopDelayMs = stats.get(node)?.loopDelayMs;
          return (
            <tr key={node}>
              <th scope="row">
                {node === own ? <Name text={node} /> : <NodeLink node={node} url={url} />}
                {node === own && <span class="tag">this page's</span>}
              </th>
              <td>{led.length === 0 ? '–' : ranges(led)}</td>
              {info === undefined ? (
                <td colSpan={5} class="bad-text">
                  No answer at {timeOfDay(atMs)}: {shown(why.get(node) ?? 'not asked yet', 160)}
                </td>
              ) : (
                <>
                  <td>{info.ready ? 'yes' : <span class="bad-text">no</span>}</td>
                  <td class="number">{whole(info.connections)}</td>
                  <td class="number">{loopDelayMs === undefined ? '–' : duration(loopDelayMs)}</td>
                  <td>{shown(info.version, 24)}</td>
                  <td>{duration(info.uptimeMs)}</td>
                </>
              )}
            </tr>
          );
        })}
      </Table>
    </Card>
  );
}

function leadText(shards: number, leaderless: readonly number[]): string {
  if (leaderless.length === 0) return `${plural(shards, 'shard')}, each with a leader`;
  return `${plural(leaderless.length, 'shard')} of ${shards} without a leader: ${ranges(leaderless)}`;
}

function Work({ view }: { readonly view: ClusterView }): JSX.Element {
  const states = statesIn(view.infos);
  return (
    <Card title="Transactions in memory">
      {states.length === 0 ? (
        <Empty>
          {leaderlessIn(leadersNow(view.infos)).length > 0 ? (
            'None is remembered, for no one leads. By its txid one is found in the box above.'
          ) : (
            <>
              None yet. Begin one with <code>verdict exec -</code> or an SDK, and it shows here.
            </>
          )}
        </Empty>
      ) : (
        <ul class="chips">
          {states.map(([state, count]) => (
            <li key={state}>
              <a
                href={hashOf({
                  page: 'transactions',
                  filter: { state: state as 'PENDING', only: 'all', text: '' },
                })}
              >
                <State state={state} /> <b>{whole(count)}</b>
              </a>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function statesIn(infos: ClusterView['infos']): [string, number][] {
  const sums = new Map<string, number>();
  for (const { states = {} } of counted(infos)) {
    for (const [state, count] of Object.entries(states)) {
      sums.set(state, (sums.get(state) ?? 0) + count);
    }
  }
  return transactionStates.flatMap((state): [string, number][] => {
    const count = sums.get(state) ?? 0;
    return count > 0 ? [[state, count]] : [];
  });
}

function inFlight({ infos }: ClusterView): number {
  return statesIn(infos)
    .filter(([state]) => state !== 'COMMITTED' && state !== 'ABORTED')
    .reduce((sum, [, count]) => sum + count, 0);
}

export function attentionIn({ infos }: Pick<ClusterView, 'infos'>): number {
  return counted(infos).reduce((sum, { attention = 0 }) => sum + attention, 0);
}

/** A former leader may remember what its successor has taken up. */
function counted(infos: ClusterView['infos']): readonly ShardInfo[] {
  const leaders = leadersNow(infos);
  return infos.flatMap(({ node, reply }) =>
    reply.shards.filter(({ shard }) => (leaders[shard]?.node ?? node) === node),
  );
}
