/** The frame around every view: where one is, whether it is fresh, the search, and the keys. */
import type { JSX } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ClusterWatch } from '../link/cluster.ts';
import type { DeskState } from '../link/desk.ts';
import type { Action } from '../model/actions.ts';
import { noFilter, txidIn } from '../model/find.ts';
import { hashOf, type Page, pages, type Route } from '../model/route.ts';
import { shown, timeOfDay } from '../model/text.ts';
import { Attention } from './attention.tsx';
import { Confirm } from './confirm.tsx';
import { Help } from './help.tsx';
import { type Asking, AskingContext, useAsked, useDesk, useDeskState, useRoute } from './hooks.ts';
import { Locks } from './locks.tsx';
import { attentionIn, Overview } from './overview.tsx';
import { Participants } from './participants.tsx';
import { SignIn } from './sign-in.tsx';
import { type Theme, useTheme } from './theme.ts';
import { Transaction } from './transaction.tsx';
import { Transactions } from './transactions.tsx';
import { Trouble } from './trouble.tsx';

const names: Readonly<Record<Page, string>> = {
  overview: 'Overview',
  transactions: 'Transactions',
  locks: 'Locks',
  participants: 'Participants',
  attention: 'Attention',
};
const letters: Readonly<Record<string, Page>> = {
  o: 'overview',
  t: 'transactions',
  l: 'locks',
  p: 'participants',
  a: 'attention',
};
const everyMs = 1_000;
const slowEveryMs = 5_000;

export function Shell(): JSX.Element {
  const desk = useDesk();
  const state = useDeskState(desk);
  const route = useRoute();
  const [theme, setTheme] = useTheme();
  const [hasHelp, setHasHelp] = useState(false);
  const [question, setQuestion] = useState<{ action: Action; after: () => void } | null>(null);
  const watch = useRef<ClusterWatch | null>(null);
  watch.current ??= new ClusterWatch(desk.link);
  const isLive = route.page === 'overview' || route.page === 'participants';
  const cluster = useAsked(
    'cluster',
    isLive ? everyMs : slowEveryMs,
    () => watch.current?.look() ?? Promise.reject(new Error('no watch')),
  );
  const search = useRef<HTMLInputElement>(null);
  const ask = useCallback<Asking>((action, after) => setQuestion({ action, after }), []);
  useKeys(search, () => setHasHelp(true));
  useEffect(() => {
    document.title = `${titleOf(route)} · ${state.cluster === '' ? 'Verdict' : shown(state.cluster)}`;
  }, [route, state.cluster]);
  const role = state.link.phase === 'ready' ? state.link.role : null;
  const attention = cluster.data === null ? 0 : attentionIn(cluster.data);
  const isLocked = state.link.phase === 'locked';
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <header class="top">
        <span class="brand">
          <b>Verdict</b>
          <span class="where">
            {state.cluster !== '' && (
              <>
                <bdi>{shown(state.cluster, 32)}</bdi> at <bdi>{shown(state.node, 32)}</bdi>
              </>
            )}
          </span>
        </span>
        <Search field={search} route={route} />
        <span class="tools">
          <Fresh state={state} />
          <ThemeSwitch theme={theme} setTheme={setTheme} />
          <button
            type="button"
            class="quiet"
            onClick={() => setHasHelp(true)}
            aria-label="Help: keys"
          >
            ?
          </button>
        </span>
      </header>
      <nav aria-label="Views">
        {pages.map((page) => (
          <a
            key={page}
            href={hashOf(page === 'transactions' ? { page, filter: noFilter } : { page })}
            aria-current={isAt(route, page) ? 'page' : undefined}
          >
            {names[page]}
            {page === 'attention' && attention > 0 && <span class="count">{attention}</span>}
          </a>
        ))}
        {role === 'viewer' && <span class="tag">look only</span>}
      </nav>
      <Stale state={state} />
      {state.link.phase === 'ready' && cluster.data !== null && <Trouble view={cluster.data} />}
      <main id="main" tabIndex={-1} class={state.staleSinceMs === null ? '' : 'stale'}>
        <h1 class="hidden">{titleOf(route)}</h1>
        {state.link.phase === 'locked' ? (
          <SignIn why={state.link.why} />
        ) : (
          <AskingContext.Provider value={ask}>
            <View
              route={route}
              theme={theme.shown}
              mayAct={role === 'operator'}
              cluster={cluster}
            />
          </AskingContext.Provider>
        )}
      </main>
      {question !== null && (
        <Confirm
          action={question.action}
          closed={() => {
            setQuestion(null);
            question.after();
          }}
        />
      )}
      {hasHelp && !isLocked && <Help closed={() => setHasHelp(false)} />}
    </>
  );
}

function View(given: {
  readonly route: Route;
  readonly theme: string;
  readonly mayAct: boolean;
  readonly cluster: Parameters<typeof Overview>[0]['asked'];
}): JSX.Element {
  const { route, theme, mayAct, cluster } = given;
  switch (route.page) {
    case 'overview':
      return <Overview asked={cluster} theme={theme} />;
    case 'transactions':
      return <Transactions filter={route.filter} />;
    case 'transaction':
      return <Transaction key={route.txid} txid={route.txid} mayAct={mayAct} />;
    case 'locks':
      return <Locks />;
    case 'participants':
      return <Participants asked={cluster} mayAct={mayAct} />;
    case 'attention':
      return <Attention mayAct={mayAct} />;
  }
}

function isAt(route: Route, page: Page): boolean {
  return route.page === page || (route.page === 'transaction' && page === 'transactions');
}

function titleOf(route: Route): string {
  return route.page === 'transaction' ? 'Transaction' : names[route.page];
}

/** Whether what is seen is what there is: in a word, and never by colour alone. */
function Fresh({ state }: { readonly state: DeskState }): JSX.Element {
  const { phase } = state.link;
  const text = {
    ready: 'live',
    connecting: 'connecting',
    waiting: 'no connection',
    locked: 'locked',
  }[phase];
  return (
    <span class={`fresh ${phase}`} role="status">
      <i aria-hidden="true" />
      {text}
    </span>
  );
}

function Stale({ state }: { readonly state: DeskState }): JSX.Element | null {
  const { link, staleSinceMs } = state;
  if (link.phase === 'ready' || link.phase === 'locked') return null;
  const why = link.phase === 'waiting' ? link.why : '';
  if (staleSinceMs === null && why === '') return null;
  return (
    <p class="banner" role="status">
      {staleSinceMs === null ? (
        <>The node cannot be reached. {shown(why, 200)} It is tried again by itself.</>
      ) : (
        <>
          <b>Stale since {timeOfDay(staleSinceMs)}.</b> The connection to this node is lost; it is
          tried again by itself. Other nodes have consoles of their own.
        </>
      )}
      {staleSinceMs === null && (
        <>
          {' '}
          If the node runs, it may want a client certificate, or not know its name in the address.
        </>
      )}
    </p>
  );
}

function Search(given: {
  readonly field: { current: HTMLInputElement | null };
  readonly route: Route;
}): JSX.Element {
  const { field, route } = given;
  const known = route.page === 'transactions' ? route.filter.text : '';
  const [text, setText] = useState(known);
  useEffect(() => setText(known), [known]);
  return (
    <search>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const txid = txidIn(text);
          const filter = { ...(route.page === 'transactions' ? route.filter : noFilter), text };
          location.hash = hashOf(
            txid === null ? { page: 'transactions', filter } : { page: 'transaction', txid },
          );
          document.getElementById('main')?.focus();
        }}
      >
        <input
          ref={field}
          type="search"
          aria-label="Search: txid, request id, label or participant"
          placeholder="Search any id: txid, request, label, participant"
          maxLength={300}
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <kbd title="The key / comes here">/</kbd>
      </form>
    </search>
  );
}

function ThemeSwitch(given: {
  readonly theme: Theme;
  readonly setTheme: (choice: Theme['choice']) => void;
}): JSX.Element {
  const { theme, setTheme } = given;
  return (
    <label class="theme">
      <span class="hidden">Colours</span>
      <select
        value={theme.choice}
        onChange={({ currentTarget }) => setTheme(currentTarget.value as Theme['choice'])}
      >
        <option value="system">auto</option>
        <option value="light">light</option>
        <option value="dark">dark</option>
      </select>
    </label>
  );
}

const sequenceMs = 1_200;

/** `/`, `?`, and `g` with a letter: never while something is typed. */
function useKeys(search: { current: HTMLInputElement | null }, help: () => void): void {
  const act = useRef(help);
  act.current = help;
  useEffect(() => {
    let goingUntilMs = 0;
    const pressed = (event: KeyboardEvent): void => {
      const { key, target } = event;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const element = target instanceof HTMLElement ? target : null;
      if (element?.closest('input, select, textarea, dialog') != null) {
        if (key === 'Escape' && element === search.current) element.blur();
        return;
      }
      const page = event.timeStamp < goingUntilMs ? letters[key] : undefined;
      goingUntilMs = key === 'g' ? event.timeStamp + sequenceMs : 0;
      if (page !== undefined) location.hash = `#/${page}`;
      else if (key === '/') search.current?.focus();
      else if (key === '?') act.current();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [search]);
}
