/** Small parts that several views are made of. */
import type { ComponentChildren, JSX } from 'preact';
import type { Missing } from '../link/gather.ts';
import { consoleUrl, ranges } from '../model/nodes.ts';
import { hashOf } from '../model/route.ts';
import { plural, shown, timeOfDay, title } from '../model/text.ts';
import type { Asked } from './hooks.ts';

export function Name({ text, max }: { readonly text: string; readonly max?: number }): JSX.Element {
  return (
    <bdi class="name" title={title(text)}>
      {shown(text, max)}
    </bdi>
  );
}

export function TxLink({ txid }: { readonly txid: string }): JSX.Element {
  return (
    <a class="id" href={hashOf({ page: 'transaction', txid })} title={title(txid)}>
      {shown(txid)}
    </a>
  );
}

const tones: Readonly<Record<string, string>> = {
  COMMITTED: 'good',
  ABORTED: 'bad',
  ABORTING: 'bad',
  COMMITTING: 'good',
  committed: 'good',
  'rolled-back': 'bad',
  'rolling-back': 'bad',
  refused: 'bad',
  committing: 'good',
  unreachable: 'warn',
  open: 'bad',
  'half-open': 'warn',
  closed: 'good',
};

export function State({ state }: { readonly state: string }): JSX.Element {
  return <span class={`state ${tones[state] ?? 'calm'}`}>{shown(state)}</span>;
}

export function Card({
  title: heading,
  children,
  aside,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly aside?: ComponentChildren;
}): JSX.Element {
  const id = `card-${heading.toLowerCase().replace(/\W+/g, '-')}`;
  return (
    <section class="card" aria-labelledby={id}>
      <header>
        <h2 id={id}>{heading}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Wide ones are moved sideways by themselves, and not the page. */
export function Table({
  label,
  head,
  children,
}: {
  readonly label: string;
  readonly head: readonly string[];
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what is moved sideways must be reached by key
    <section class="table" tabIndex={0} aria-label={label}>
      <table>
        <thead>
          <tr>
            {head.map((each) => (
              <th key={each} scope="col" class={each.startsWith('#') ? 'number' : ''}>
                {each.replace(/^#/, '')}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

export function Empty({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}

/** That something is old, or not all of it. */
export function Notes({
  asked,
  missing = [],
  leaderless = [],
  what,
}: {
  readonly asked: Asked<unknown>;
  readonly missing?: readonly Missing[] | undefined;
  readonly leaderless?: readonly number[] | undefined;
  readonly what: string;
}): JSX.Element | null {
  const { error, atMs, data } = asked;
  const isOld = error !== null && data !== null;
  if (!isOld && error === null && missing.length === 0 && leaderless.length === 0) return null;
  return (
    <ul class="notes" role="status">
      {error !== null && (
        <li>
          {isOld ? `As of ${timeOfDay(atMs)}: ` : ''}
          {shown(error.message, 300)}
        </li>
      )}
      {leaderless.length > 0 && (
        <li>
          {`${plural(leaderless.length, 'shard')} without a leader now (${ranges(leaderless)}): not all ${what} there can be seen until one leads.`}
        </li>
      )}
      {missing.map(({ node, url, why }) => (
        <li key={node}>
          Without {what} of <NodeLink node={node} url={url} />: {shown(why, 300)}
        </li>
      ))}
    </ul>
  );
}

export function NodeLink({
  node,
  url,
  hash = '#/overview',
}: {
  readonly node: string;
  readonly url: string | null;
  readonly hash?: string;
}): JSX.Element {
  const href = url === null ? null : consoleUrl(url, hash);
  return href === null ? (
    <Name text={node} />
  ) : (
    <a href={href} rel="noreferrer" title={`The console of ${title(node)}`}>
      <Name text={node} />
    </a>
  );
}

export function Loading({ asked }: { readonly asked: Asked<unknown> }): JSX.Element | null {
  return asked.data === null && asked.error === null ? <p class="empty">Asking the node…</p> : null;
}
