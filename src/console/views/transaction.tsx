/** One transaction: what happened, who is awaited, and what can be done. */
import type { JSX } from 'preact';
import type { Explanation, TransactionStatus } from '../../core/messages.ts';
import { AskError, type Link } from '../link/link.ts';
import { actionsFor } from '../model/actions.ts';
import { isTooOld } from '../model/seam.ts';
import { bytes, duration, shown, timeOfDay } from '../model/text.ts';
import { type Part, placeOf, type Waterfall, waterfallOf } from '../model/waterfall.ts';
import { Actions } from './confirm.tsx';
import { useAsked, useDesk, useDeskState } from './hooks.ts';
import { Card, Empty, Loading, Name, Notes, State, Table, TxLink } from './parts.tsx';

interface Seen {
  readonly explanation: Explanation;
  /** False: the node explains nothing, and this is what its status says. */
  readonly isExplained: boolean;
}

const everyMs = 1_500;

export function Transaction({
  txid,
  mayAct,
}: {
  readonly txid: string;
  readonly mayAct: boolean;
}): JSX.Element {
  const desk = useDesk();
  const { cluster } = useDeskState(desk);
  const asked = useAsked<Seen>(`tx ${txid}`, everyMs, () => look(desk.link, txid));
  const { data } = asked;
  if (data === null) {
    return (
      <Card title="Transaction">
        <p>
          <Name text={txid} max={120} />
        </p>
        <Loading asked={asked} />
        {asked.error !== null && (
          <Empty>
            {shown(asked.error.message, 400)} Check that the id is whole, and that it is of the
            cluster {shown(cluster)}.
          </Empty>
        )}
      </Card>
    );
  }
  const { explanation, isExplained } = data;
  const actions = actionsFor(explanation);
  return (
    <>
      <Notes asked={asked} what="what is known" />
      <Card
        title="Transaction"
        aside={<Actions actions={actions} mayAct={mayAct} after={asked.again} />}
      >
        <p class="headline">
          <bdi class="id">{shown(txid, 120)}</bdi>
          <State state={explanation.state} />
          {explanation.attention === true && <span class="tag bad">attention</span>}
        </p>
        <p class="summary">{shown(explanation.summary, 1_000)}</p>
        {!isExplained && (
          <p class="small">Why it stands where it does: this node is too old to tell.</p>
        )}
        <Facts explanation={explanation} atMs={asked.atMs} />
      </Card>
      {explanation.waits.length > 0 && <Waits explanation={explanation} />}
      {explanation.advice.length > 0 && (
        <Card title="What to do">
          <ul class="prose">
            {explanation.advice.map((text) => (
              <li key={text}>{shown(text, 1_000)}</li>
            ))}
          </ul>
        </Card>
      )}
      <Branches explanation={explanation} />
      <Locks explanation={explanation} />
      {explanation.events.length > 0 && <Events explanation={explanation} />}
      {explanation.sources.length > 0 && <Sources explanation={explanation} />}
    </>
  );
}

/** By its explanation, or where the node knows no such thing, by its status. */
async function look(link: Link, txid: string): Promise<Seen> {
  try {
    const explanation = await link.ask<Explanation>({ type: 'explain', txid });
    return { explanation, isExplained: true };
  } catch (error) {
    if (!(error instanceof AskError) || !isTooOld(error as never)) throw error;
  }
  const status = await link.ask<TransactionStatus>({ type: 'status', txid });
  return { explanation: plain(status), isExplained: false };
}

function plain(status: TransactionStatus): Explanation {
  const { txid, state, reason } = status;
  const committed = state === 'COMMITTING' || state === 'COMMITTED';
  const aborted = state === 'ABORTING' || state === 'ABORTED';
  return {
    ...status,
    txid,
    decided: committed ? 'commit' : aborted ? 'abort' : null,
    summary: reason?.message ?? (committed ? 'It is decided to commit.' : 'It is not decided yet.'),
    events: [],
    waits: [],
    advice: [],
    sources: [],
  };
}

function Facts({
  explanation,
  atMs,
}: {
  readonly explanation: Explanation;
  readonly atMs: number;
}) {
  const { ageMs, requestId, labels = {}, reason, decidedAfterMs } = explanation;
  const facts: [string, string][] = [];
  if (ageMs !== undefined) facts.push(['Began', `${duration(ageMs)} ago`]);
  if (decidedAfterMs !== undefined) facts.push(['Decided after', duration(decidedAfterMs)]);
  if (reason !== undefined) facts.push(['Why it aborted', `${reason.code}: ${reason.message}`]);
  if (requestId !== undefined) facts.push(['Request id', requestId]);
  for (const [key, value] of Object.entries(labels)) facts.push([key, value]);
  facts.push(['As of', timeOfDay(atMs)]);
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>
            <Name text={name} max={40} />
          </dt>
          <dd>
            <Name text={value} max={200} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Waits({ explanation }: { readonly explanation: Explanation }): JSX.Element {
  return (
    <Card title="It waits for">
      <ul class="prose">
        {explanation.waits.map((wait) => (
          <li key={wait.text}>
            <span class="tag">{shown(wait.for, 24)}</span> {shown(wait.text, 1_000)}
            {(wait.txids ?? []).map((txid) => (
              <>
                {' '}
                <TxLink key={txid} txid={txid} />
              </>
            ))}
          </li>
        ))}
      </ul>
    </Card>
  );
}

const partText: Readonly<Record<Part, string>> = {
  queued: 'waits',
  preparing: 'prepares',
  voted: 'has voted',
  finishing: 'carries the outcome out',
  ahead: '',
};

function Branches({ explanation }: { readonly explanation: Explanation }): JSX.Element {
  const waterfall = waterfallOf(explanation);
  const hasTimes = waterfall.rows.some(({ segments }) => segments.length > 0);
  return (
    <Card title="Branches" aside={hasTimes ? <Parts /> : undefined}>
      {explanation.branches.length === 0 ? (
        <Empty>It has no branch yet, or the log remembers none of them.</Empty>
      ) : (
        <>
          {hasTimes && <Bars waterfall={waterfall} />}
          <Table
            label="Branches"
            head={[
              'Branch',
              'State',
              '#Sent',
              '#Voted',
              '#Done',
              '#Payload',
              '#Result',
              '#Tries',
              'Says',
            ]}
          >
            {explanation.branches.map((branch) => (
              <tr key={branch.branch}>
                <th scope="row">
                  <Name text={branch.branch} max={32} />
                  {branch.participant !== branch.branch && (
                    <small>
                      <Name text={branch.participant} max={32} />
                    </small>
                  )}
                </th>
                <td>
                  <State state={branch.state} />
                  {branch.connected === false && <span class="tag bad">not connected</span>}
                </td>
                <td class="number">{after(branch.sentAfterMs)}</td>
                <td class="number">{after(branch.votedAfterMs)}</td>
                <td class="number">{after(branch.settledAfterMs)}</td>
                <td class="number">{size(branch.payloadBytes)}</td>
                <td class="number">{size(branch.resultBytes)}</td>
                <td class="number">{branch.attempts}</td>
                <td class="wide">
                  {branch.lastError !== undefined && (
                    <span class="bad-text">{shown(branch.lastError, 300)} </span>
                  )}
                  {branch.says !== undefined && `It ${shown(branch.says, 300)}. `}
                  {branch.byHand !== undefined &&
                    `Settled by hand, by ${shown(branch.byHand.by, 64)}: ${shown(branch.byHand.reason, 300)} `}
                  {branch.nextTryInMs !== undefined &&
                    `Next try in ${duration(branch.nextTryInMs)}.`}
                </td>
              </tr>
            ))}
          </Table>
        </>
      )}
    </Card>
  );
}

function after(ms: number | undefined): string {
  return ms === undefined ? '–' : `+${duration(ms)}`;
}

function size(count: number | undefined): string {
  return count === undefined ? '–' : bytes(count);
}

function Parts(): JSX.Element {
  return (
    <span class="legend">
      {(['queued', 'preparing', 'voted', 'finishing'] as const).map((part) => (
        <span key={part}>
          <i class={`swatch part-${part}`} />
          {partText[part]}
        </span>
      ))}
    </span>
  );
}

const rowHeight = 22;
const width = 1_000;

/** Decoration: the table below says the same in words. */
function Bars({ waterfall }: { readonly waterfall: Waterfall }): JSX.Element {
  const { rows, spanMs, decidedAfterMs, breakMs } = waterfall;
  const x = (ms: number): number => placeOf(waterfall, ms) * width;
  return (
    <div class="waterfall">
      <ul aria-hidden="true">
        {rows.map(({ branch }) => (
          <li key={branch.branch}>
            <Name text={branch.branch} max={20} />
          </li>
        ))}
      </ul>
      <svg
        viewBox={`0 0 ${width} ${rows.length * rowHeight}`}
        height={rows.length * rowHeight}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Branches over ${duration(spanMs)}; the table below has the times`}
      >
        {rows.map(({ branch, segments }, index) =>
          segments.map(({ part, fromMs, toMs }) => (
            <rect
              key={`${branch.branch} ${part}`}
              class={`part-${part}`}
              x={x(fromMs)}
              y={index * rowHeight + 4}
              width={Math.max(2, x(toMs) - x(fromMs))}
              height={rowHeight - 8}
            >
              <title>{`${shown(branch.branch, 40)} ${partText[part]}: ${duration(toMs - fromMs)}`}</title>
            </rect>
          )),
        )}
        {decidedAfterMs !== null && (
          <line class="decided" x1={x(decidedAfterMs)} x2={x(decidedAfterMs)} y1={0} y2="100%">
            <title>{`Decided after ${duration(decidedAfterMs)}`}</title>
          </line>
        )}
        {breakMs !== null && (
          <line class="break" x1={x(breakMs)} x2={x(breakMs)} y1={0} y2="100%">
            <title>To the right of it the scale is another</title>
          </line>
        )}
      </svg>
      <p class="scale" aria-hidden="true">
        <span>0</span>
        {decidedAfterMs !== null && (
          <span
            class="at"
            style={{
              left: `${100 * Math.min(0.85, Math.max(0.12, placeOf(waterfall, decidedAfterMs)))}%`,
            }}
          >
            decided +{duration(decidedAfterMs)}
          </span>
        )}
        <span>
          {breakMs !== null && 'a long wait ⋯ '}+{duration(spanMs)}
        </span>
      </p>
    </div>
  );
}

function Locks({ explanation }: { readonly explanation: Explanation }): JSX.Element | null {
  const { locks = [], lockGroup } = explanation;
  if (locks.length === 0) return null;
  return (
    <Card title="Locks" aside={lockGroup !== undefined && <Name text={lockGroup} />}>
      <Table label="Locks of this transaction" head={['Key', 'Mode', 'Held', '#For', 'In its way']}>
        {locks.map(({ key, mode, held, forMs, waitsFor = [] }) => (
          <tr key={key}>
            <th scope="row">
              <Name text={key} />
            </th>
            <td>{mode}</td>
            <td>{held ? 'held' : <span class="bad-text">waits</span>}</td>
            <td class="number">{duration(forMs)}</td>
            <td>
              {waitsFor.map((txid) => (
                <TxLink key={txid} txid={txid} />
              ))}
            </td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

function Events({ explanation }: { readonly explanation: Explanation }): JSX.Element {
  return (
    <Card title="What happened">
      <ol class="events">
        {explanation.events.map((event, index) => (
          <li key={index}>
            <span class="number">{after(event.atMs)}</span>
            <span>
              {event.branch !== undefined && <Name text={event.branch} max={32} />}{' '}
              {shown(event.text, 600)}
            </span>
          </li>
        ))}
      </ol>
    </Card>
  );
}

function Sources({ explanation }: { readonly explanation: Explanation }): JSX.Element {
  return (
    <Card title="Who says so">
      <ul class="prose">
        {explanation.sources.map(({ source, node, ok, text }, index) => (
          <li key={index}>
            {shown(source, 24)}
            {node !== undefined && (
              <>
                {' '}
                <Name text={node} />
              </>
            )}
            {ok ? '' : ' did not answer'}
            {text !== undefined && `: ${shown(text, 400)}`}
          </li>
        ))}
      </ul>
    </Card>
  );
}
