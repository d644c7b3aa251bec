/** What the page shows, as its address says it. No credential ever stands in one. */
import { type TransactionState, transactionStates } from '../../core/messages.ts';
import { type Filter, noFilter, type Only } from './find.ts';

export const pages = ['overview', 'transactions', 'locks', 'participants', 'attention'] as const;
export type Page = (typeof pages)[number];

export type Route =
  | { readonly page: Exclude<Page, 'transactions'> }
  | { readonly page: 'transactions'; readonly filter: Filter }
  | { readonly page: 'transaction'; readonly txid: string };

const onlys: readonly Only[] = ['all', 'running', 'stuck', 'failed'];
const maxTextCharacters = 300;

export function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [first = '', second = ''] = path.split('/');
  if (first === 'tx' && second !== '') return { page: 'transaction', txid: decoded(second) };
  const page = pages.find((each) => each === first) ?? 'overview';
  if (page !== 'transactions') return { page };
  const asked = new URLSearchParams(query);
  const state = transactionStates.find((each) => each === asked.get('state'));
  const only = onlys.find((each) => each === asked.get('only')) ?? noFilter.only;
  const text = (asked.get('q') ?? '').slice(0, maxTextCharacters);
  return { page, filter: { state: state ?? '', only, text } };
}

export function hashOf(route: Route): string {
  if (route.page === 'transaction') return `#/tx/${encodeURIComponent(route.txid)}`;
  if (route.page !== 'transactions') return `#/${route.page}`;
  const { state, only, text } = route.filter;
  const query = new URLSearchParams();
  if (state !== '') query.set('state', state satisfies TransactionState);
  if (only !== 'all') query.set('only', only);
  if (text !== '') query.set('q', text);
  const asked = query.toString();
  return `#/transactions${asked === '' ? '' : `?${asked}`}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text).slice(0, maxTextCharacters);
  } catch {
    return text.slice(0, maxTextCharacters);
  }
}
