/** What is tried again and again, and what an operator can do about it. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { TransactionStatus } from '../../core/messages.ts';
import { listAll } from '../link/gather.ts';
import { actionsFor, bulkActions, recoverAction } from '../model/actions.ts';
import { duration, plural, shown } from '../model/text.ts';
import { Actions } from './confirm.tsx';
import { useAsked, useDesk } from './hooks.ts';
import { Card, Empty, Loading, Name, Notes, State, Table, TxLink } from './parts.tsx';

const limit = 1_000;
const maxRows = 200;
const everyMs = 2_000;

export function Attention({ mayAct }: { readonly mayAct: boolean }): JSX.Element {
  const desk = useDesk();
  const asked = useAsked('attention', everyMs, () =>
    listAll(desk.link, { attention: true, limit }),
  );
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set<string>());
  const all = asked.data?.transactions ?? [];
  // What is over meanwhile is chosen no more.
  const picked = all.filter(({ txid }) => chosen.has(txid));
  const bulk = bulkActions(picked);
  const choose = (txid: string, is: boolean): void => {
    const next = new Set<string>(picked.map((each) => each.txid));
    if (is) next.add(txid);
    else next.delete(txid);
    setChosen(next);
  };
  return (
    <>
      <Card
        title="Needs an operator"
        aside={
          mayAct &&
          picked.length > 0 && (
            <span class="actions">
              <span role="status">{plural(picked.length, 'transaction')} chosen</span>
              <Actions actions={bulk} mayAct={mayAct} after={asked.again} />
            </span>
          )
        }
      >
        <Notes
          asked={asked}
          missing={asked.data?.missing}
          leaderless={asked.data?.leaderless}
          what="flagged transactions"
        />
        <Loading asked={asked} />
        {asked.data !== null && all.length === 0 && (
          <Empty>
            Nothing needs an operator. A transaction comes here when a branch does not carry its
            outcome out, however often it is told.
          </Empty>
        )}
        {all.length > 0 && (
          <>
            {mayAct && (
              <p class="actions">
                <button
                  type="button"
                  class="quiet"
                  onClick={() => setChosen(new Set(all.map(({ txid }) => txid)))}
                >
                  Choose all {all.length}
                </button>
                <button type="button" class="quiet" onClick={() => setChosen(new Set())}>
                  Choose none
                </button>
              </p>
            )}
            <Table
              label="Needs an operator"
              head={[
                ...(mayAct ? ['Choose'] : []),
                'Transaction',
                'State',
                '#Age',
                'Not carried out',
                ...(mayAct ? ['Actions'] : []),
              ]}
            >
              {all.slice(0, maxRows).map((each) => (
                <Row
                  key={each.txid}
                  transaction={each}
                  mayAct={mayAct}
                  isChosen={chosen.has(each.txid)}
                  choose={choose}
                  after={asked.again}
                />
              ))}
            </Table>
            {all.length > maxRows && <p class="small">The first {maxRows} are shown.</p>}
            {asked.data?.truncated === true && <p class="small">There are more.</p>}
          </>
        )}
      </Card>
      {mayAct && (
        <Card
          title="This node"
          aside={<Actions actions={[recoverAction]} mayAct={mayAct} after={asked.again} />}
        >
          <p class="small">
            An instance that is gone for good is retired where a transaction waits for it: open that
            one. Those that are connected are retired, and given to another identity, under{' '}
            <a href="#/participants">Participants</a>.
          </p>
        </Card>
      )}
    </>
  );
}

function Row(given: {
  readonly transaction: TransactionStatus;
  readonly mayAct: boolean;
  readonly isChosen: boolean;
  readonly choose: (txid: string, is: boolean) => void;
  readonly after: () => void;
}): JSX.Element {
  const { transaction, mayAct, isChosen, choose, after } = given;
  const { txid, state, ageMs, branches } = transaction;
  const owed = branches.filter(
    ({ state: at, lastError }) =>
      lastError !== undefined || at === 'committing' || at === 'rolling-back',
  );
  return (
    <tr>
      {mayAct && (
        <td>
          <input
            type="checkbox"
            aria-label={`Choose ${txid}`}
            checked={isChosen}
            onChange={({ currentTarget }) => choose(txid, currentTarget.checked)}
          />
        </td>
      )}
      <th scope="row">
        <TxLink txid={txid} />
      </th>
      <td>
        <State state={state} />
      </td>
      <td class="number">{duration(ageMs)}</td>
      <td class="wide">
        {owed.map(({ branch, attempts, lastError }) => (
          <div key={branch}>
            <Name text={branch} max={32} /> <small>{plural(attempts, 'try', 'tries')}</small>{' '}
            {lastError !== undefined && <span class="bad-text">{shown(lastError, 200)}</span>}
          </div>
        ))}
      </td>
      {mayAct && (
        <td>
          <Actions actions={actionsFor(transaction)} mayAct={mayAct} after={after} />
        </td>
      )}
    </tr>
  );
}
