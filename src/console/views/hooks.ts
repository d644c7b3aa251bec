/** What the views are fed by. */
import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import { thrownText } from '../../core/thrown.ts';
import type { Desk, DeskState } from '../link/desk.ts';
import { AskError } from '../link/link.ts';
import type { Action } from '../model/actions.ts';
import { type Route, routeOf } from '../model/route.ts';

export const DeskContext: ReturnType<typeof createContext<Desk | null>> =
  createContext<Desk | null>(null);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === null) throw new Error('There is no desk.');
  return desk;
}

/** Asks before an action is carried out; `after` it, or where it was left. */
export type Asking = (action: Action, after: () => void) => void;

/**
 * The question stays at the top of the page, whatever becomes of the row that it was asked from:
 * what is carried out leaves the list, and a lost connection takes the buttons away.
 */
export const AskingContext: ReturnType<typeof createContext<Asking | null>> =
  createContext<Asking | null>(null);

export function useAsking(): Asking {
  const asking = useContext(AskingContext);
  if (asking === null) throw new Error('There is no one who asks.');
  return asking;
}

export function useDeskState(desk: Desk): DeskState {
  const [state, setState] = useState(desk.state);
  useEffect(() => {
    setState(desk.state);
    return desk.watch(() => setState(desk.state));
  }, [desk]);
  return state;
}

export function useRoute(): Route {
  const [route, setRoute] = useState<Route>(() => routeOf(location.hash));
  useEffect(() => {
    const changed = (): void => setRoute(routeOf(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

export interface Asked<T> {
  /** The last answer; null: none yet. */
  readonly data: T | null;
  /** When it came, by the page's clock. */
  readonly atMs: number;
  /** Why there is none that is newer; null: there is. */
  readonly error: AskError | null;
  again(): void;
}

/**
 * Asks now and every `everyMs` while the page is seen and connected. Another `key` is another
 * question: the answer to the one before is not shown for it.
 */
export function useAsked<T>(key: string, everyMs: number, ask: () => Promise<T>): Asked<T> {
  const desk = useDesk();
  const isReady = useDeskState(desk).link.phase === 'ready';
  const [turn, setTurn] = useState(0);
  const [found, setFound] = useState<{ key: string; data: T | null; atMs: number }>({
    key,
    data: null,
    atMs: 0,
  });
  const [failed, setFailed] = useState<{ key: string; error: AskError } | null>(null);
  const question = useRef(ask);
  question.current = ask;
  useEffect(() => {
    if (!isReady) return;
    let isOver = false;
    let timer: number | undefined;
    const next = (): void => {
      timer = setTimeout(run, everyMs);
    };
    const run = (): void => {
      if (document.hidden) return next();
      question
        .current()
        .then((data) => {
          if (isOver) return;
          setFound({ key, data, atMs: Date.now() });
          setFailed(null);
        })
        .catch((error: unknown) => {
          if (isOver) return;
          const known = error instanceof AskError ? error : new AskError('PAGE', thrownText(error));
          setFailed({ key, error: known });
        })
        .finally(() => {
          if (!isOver) next();
        });
    };
    const seen = (): void => {
      if (document.hidden || isOver) return;
      clearTimeout(timer);
      run();
    };
    run();
    document.addEventListener('visibilitychange', seen);
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [key, everyMs, isReady, turn]);
  const isOwn = found.key === key;
  return {
    data: isOwn ? found.data : null,
    atMs: isOwn ? found.atMs : 0,
    error: failed !== null && failed.key === key ? failed.error : null,
    again: () => setTurn((before) => before + 1),
  };
}
