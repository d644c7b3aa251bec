/** Named locks: who waits for whom, as a graph and as a table. */
import type { JSX } from 'preact';
import type { LockInfo } from '../../core/messages.ts';
import { locksAll } from '../link/gather.ts';
import { type Graph, graphOf } from '../model/graph.ts';
import { hashOf } from '../model/route.ts';
import { duration, plural, shown } from '../model/text.ts';
import { useAsked, useDesk } from './hooks.ts';
import { Card, Empty, Loading, Name, Notes, Table } from './parts.tsx';

const limit = 200;
const everyMs = 2_000;

export function Locks(): JSX.Element {
  const desk = useDesk();
  const asked = useAsked('locks', everyMs, () => locksAll(desk.link, limit));
  const { data } = asked;
  const waited = (data?.locks ?? []).filter(({ waiting }) => waiting > 0);
  const graph = graphOf(waited);
  return (
    <>
      <Card
        title="Who waits for whom"
        aside={<span class="small">{plural(waited.length, 'key')} with waiters</span>}
      >
        <Notes asked={asked} missing={data?.missing} leaderless={data?.leaderless} what="locks" />
        <Loading asked={asked} />
        {data !== null && graph.edges.length === 0 && (
          <Empty>No transaction waits for a lock of another one.</Empty>
        )}
        {graph.edges.length > 0 && <Drawing graph={graph} />}
        {graph.left > 0 && <p class="small">{graph.left} more are in the table alone.</p>}
      </Card>
      <Card title="Locks">
        {data !== null && data.locks.length === 0 ? (
          <Empty>
            No lock is held. Transactions take named locks with <code>locks</code> of{' '}
            <code>transact</code>, or with <code>lock</code>.
          </Empty>
        ) : (
          <LockTable locks={data?.locks ?? []} />
        )}
        {data?.truncated === true && (
          <p class="small">Those that most wait for are shown. There are more.</p>
        )}
      </Card>
    </>
  );
}

const box = { width: 190, height: 30, gapX: 90, gapY: 14 };

function Drawing({ graph }: { readonly graph: Graph }): JSX.Element {
  const width = graph.columns * (box.width + box.gapX) - box.gapX;
  const height = graph.rows * (box.height + box.gapY);
  const x = (column: number): number => column * (box.width + box.gapX);
  const y = (row: number): number => row * (box.height + box.gapY) + box.gapY / 2;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what is moved sideways must be reached by key
    <section class="drawing" tabIndex={0} aria-label="Graph of waits, from waiter to holder">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
        <title>Who waits for whom: on the left those that wait for no one</title>
        {graph.edges.map(({ from, to, key, forMs }) => {
          const fromX = x(from.column);
          const toX = x(to.column) + box.width;
          const fromY = y(from.row) + box.height / 2;
          const toY = y(to.row) + box.height / 2;
          const bend = (fromX - toX) / 2;
          return (
            <path
              key={`${from.txid} ${to.txid} ${key}`}
              d={`M${fromX} ${fromY}C${fromX - bend} ${fromY} ${toX + bend} ${toY} ${toX} ${toY}`}
            >
              <title>{`waits for ${shown(key)} for ${duration(forMs)}`}</title>
            </path>
          );
        })}
        {graph.nodes.map(({ txid, column, row }) => (
          <a
            key={txid}
            href={hashOf({ page: 'transaction', txid })}
            aria-label={sentence(graph, txid)}
          >
            <rect x={x(column)} y={y(row)} width={box.width} height={box.height} rx={6} />
            <text x={x(column) + 10} y={y(row) + 19}>
              {shortId(txid)}
            </text>
          </a>
        ))}
      </svg>
    </section>
  );
}

function sentence({ edges }: Graph, txid: string): string {
  const waits = edges.filter(({ from }) => from.txid === txid);
  const what = [...new Set(waits.map(({ key }) => shown(key)))].join(', ');
  const ahead = edges.filter(({ to }) => to.txid === txid).length;
  const does = waits.length > 0 ? `waits for ${what}` : 'waits for no one';
  return `Transaction ${txid} ${does}; ${plural(ahead, 'wait')} for it`;
}

/** Its end tells them apart. */
function shortId(txid: string): string {
  const [, , sequence = '', random = ''] = txid.split('.');
  return `…${sequence.replace(/^0+/, '')}.${random}`;
}

function LockTable({ locks }: { readonly locks: readonly LockInfo[] }): JSX.Element {
  return (
    <Table label="Locks" head={['Key', 'Group', 'Held by', '#Waiting', 'Waiters, in order']}>
      {locks.map((lock) => (
        <tr key={`${lock.shard} ${lock.client ?? ''} ${lock.group} ${lock.key}`}>
          <th scope="row">
            <Name text={lock.key} max={40} />
          </th>
          <td>
            <Name
              text={lock.client === undefined ? lock.group : `${lock.client}: ${lock.group}`}
              max={32}
            />
          </td>
          <td>
            <Parties parties={lock.holders} count={lock.holding} />
          </td>
          <td class="number">{lock.waiting}</td>
          <td>
            <Parties parties={lock.waiters} count={lock.waiting} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

const maxParties = 3;

function Parties(given: { readonly parties: LockInfo['holders']; readonly count: number }) {
  const { parties, count } = given;
  return (
    <span class="names">
      {parties.slice(0, maxParties).map(({ txid, mode, forMs }) => (
        <span key={txid}>
          <a class="id" href={hashOf({ page: 'transaction', txid })} title={txid}>
            {shortId(txid)}
          </a>{' '}
          <small>
            {mode}, {duration(forMs)}
          </small>
        </span>
      ))}
      {count > maxParties && <span>+{count - maxParties}</span>}
    </span>
  );
}
