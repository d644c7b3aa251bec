/** What the leaders have in memory, newest first, with filters that the address keeps. */
import type { JSX } from 'preact';
import { type TransactionStatus, transactionStates } from '../../core/messages.ts';
import { type Listed, listAll } from '../link/gather.ts';
import { type Filter, fits, isStuck, type Only } from '../model/find.ts';
import { hashOf } from '../model/route.ts';
import { duration, plural, shown } from '../model/text.ts';
import { type Asked, useAsked, useDesk } from './hooks.ts';
import { Card, Empty, Loading, Name, Notes, State, Table, TxLink } from './parts.tsx';

/** As many as a node lists at once. */
const limit = 1_000;
const maxRows = 200;
const everyMs = 2_500;

const onlys: Readonly<Record<Only, string>> = {
  all: 'All',
  running: 'Running',
  stuck: 'Stuck or retrying',
  failed: 'Failed',
};

export function Transactions({ filter }: { readonly filter: Filter }): JSX.Element {
  const desk = useDesk();
  const { state } = filter;
  const asked: Asked<Listed> = useAsked(`list ${state}`, everyMs, () =>
    listAll(desk.link, { limit, ...(state === '' ? {} : { state }) }),
  );
  const go = (change: Partial<Filter>): void => {
    location.hash = hashOf({ page: 'transactions', filter: { ...filter, ...change } });
  };
  const found = (asked.data?.transactions ?? []).filter((each) => fits(each, filter));
  return (
    <Card title="Transactions" aside={<Filters filter={filter} go={go} />}>
      <Notes
        asked={asked}
        missing={asked.data?.missing}
        leaderless={asked.data?.leaderless}
        what="transactions"
      />
      <Loading asked={asked} />
      {asked.data !== null && <Summary listed={asked.data} found={found.length} filter={filter} />}
      {found.length > 0 && <Rows transactions={found.slice(0, maxRows)} />}
      {found.length === 0 && asked.data !== null && (
        <Empty>
          {asked.data.leaderless.length > 0
            ? 'No one leads now, so a transaction may be missing here. By its txid it is found in the box above: its participants are asked, too.'
            : asked.data.transactions.length === 0
              ? 'The leaders remember no transaction. Ended ones are remembered for a while only: an older one is found by its txid, in the box above.'
              : 'No transaction matches. Take a filter away, or put a txid into the box above: that one is looked up in the log, too.'}
        </Empty>
      )}
    </Card>
  );
}

function Filters({
  filter: { state, only, text },
  go,
}: {
  readonly filter: Filter;
  readonly go: (change: Partial<Filter>) => void;
}): JSX.Element {
  return (
    <div class="filters">
      <label>
        <span>Show</span>
        <select
          value={only}
          onChange={({ currentTarget }) => go({ only: currentTarget.value as Only })}
        >
          {Object.entries(onlys).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>State</span>
        <select
          value={state}
          onChange={({ currentTarget }) => go({ state: currentTarget.value as Filter['state'] })}
        >
          <option value="">any</option>
          {transactionStates.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </label>
      {text !== '' && (
        <button type="button" class="quiet" onClick={() => go({ text: '' })}>
          <span aria-hidden="true">✕</span> {shown(text, 24)}
        </button>
      )}
    </div>
  );
}

function Summary(given: {
  readonly listed: Listed;
  readonly found: number;
  readonly filter: Filter;
}): JSX.Element {
  const { listed, found, filter } = given;
  const looked = plural(listed.transactions.length, 'transaction');
  const more = listed.truncated ? ' There are more: choose a state, or search by txid.' : '';
  const isAll = filter.text === '' && filter.only === 'all';
  const rows = found > maxRows ? ` The newest ${maxRows} are shown.` : '';
  return (
    <p class="small" role="status">
      {isAll ? `${looked}.` : `${found} of the newest ${looked}.`}
      {rows}
      {more}
    </p>
  );
}

export function Rows({
  transactions,
}: {
  readonly transactions: readonly TransactionStatus[];
}): JSX.Element {
  return (
    <Table
      label="Transactions"
      head={['Transaction', 'State', '#Age', 'Participants', 'About', 'Why']}
    >
      {transactions.map((each) => (
        <tr key={each.txid} class={each.attention ? 'flagged' : ''}>
          <th scope="row">
            <TxLink txid={each.txid} />
          </th>
          <td>
            <State state={each.state} />
            {each.attention ? (
              <span class="tag bad">attention</span>
            ) : (
              isStuck(each) && <span class="tag warn">stuck</span>
            )}
          </td>
          <td class="number">{duration(each.ageMs)}</td>
          <td>
            <Participants transaction={each} />
          </td>
          <td>
            <About transaction={each} />
          </td>
          <td>{each.reason === undefined ? '' : <Name text={each.reason.code} max={28} />}</td>
        </tr>
      ))}
    </Table>
  );
}

const maxNames = 4;

function Participants({ transaction }: { readonly transaction: TransactionStatus }): JSX.Element {
  const names = [...new Set(transaction.branches.map(({ participant }) => participant))];
  return (
    <span class="names">
      {names.slice(0, maxNames).map((name) => (
        <Name key={name} text={name} max={24} />
      ))}
      {names.length > maxNames && <span>+{names.length - maxNames}</span>}
    </span>
  );
}

function About({ transaction }: { readonly transaction: TransactionStatus }): JSX.Element {
  const { requestId, labels = {} } = transaction;
  return (
    <span class="names">
      {requestId !== undefined && <Name text={requestId} max={28} />}
      {Object.entries(labels)
        .slice(0, 2)
        .map(([key, value]) => (
          <Name key={key} text={`${key}=${value}`} max={32} />
        ))}
    </span>
  );
}
