/** Asks before anything is done: what, what comes of it, and why it is done. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { thrownText } from '../../core/thrown.ts';
import { AskError } from '../link/link.ts';
import { type Action, resultText } from '../model/actions.ts';
import { consoleUrl } from '../model/nodes.ts';
import { plural, shown } from '../model/text.ts';
import { useAsking, useDesk } from './hooks.ts';

interface Outcome {
  readonly ok: boolean;
  readonly text: string;
  readonly href?: string;
}

/** As many of the node's requests at once. */
const abreast = 8;
const maxReasonBytes = 256;
const maxShownFailures = 5;

export function Confirm({
  action,
  closed,
}: {
  readonly action: Action;
  readonly closed: () => void;
}): JSX.Element {
  const desk = useDesk();
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState('');
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const [done, setDone] = useState<number | null>(null);
  const [outcomes, setOutcomes] = useState<readonly Outcome[] | null>(null);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);

  const carryOut = async (): Promise<void> => {
    const found: Outcome[] = [];
    const left = [...action.requests];
    setDone(0);
    const work = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        found.push(await one({ ...next, ...values, reason: reason.trim() }));
        setDone(found.length);
      }
    };
    await Promise.all(Array.from({ length: abreast }, work));
    setOutcomes(found);
  };
  const one = async (message: { type: string } & Record<string, unknown>): Promise<Outcome> => {
    try {
      return { ok: true, text: resultText(await desk.link.ask<Record<string, unknown>>(message)) };
    } catch (error) {
      if (!(error instanceof AskError)) return { ok: false, text: thrownText(error) };
      const leader = error.code === 'NOT_LEADER' ? error.leader : null;
      const href = leader == null ? null : consoleUrl(leader.url, location.hash);
      return href === null
        ? { ok: false, text: error.message }
        : { ok: false, text: `This is for its leader to do: ${shown(leader?.node ?? '')}.`, href };
    }
  };
  const tooLong = new TextEncoder().encode(reason).length > maxReasonBytes;
  const isBusy = done !== null && outcomes === null;
  const ready =
    !isBusy &&
    !tooLong &&
    (reason.trim() !== '' || !action.reasonNeeded) &&
    (action.fields ?? []).every(({ name }) => (values[name] ?? '').trim() !== '');

  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={closed}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) void carryOut();
        }}
      >
        <h2 id="confirm-title">{action.question}</h2>
        {outcomes === null ? (
          <>
            <p>{action.consequence}</p>
            {action.isFinal && <p class="warning">This cannot be taken back.</p>}
            {(action.fields ?? []).map(({ name, label }) => (
              <label key={name} class="field">
                <span>{label}</span>
                <input
                  name={name}
                  required
                  autocomplete="off"
                  value={values[name] ?? ''}
                  onInput={({ currentTarget }) =>
                    setValues({ ...values, [name]: currentTarget.value })
                  }
                />
              </label>
            ))}
            <label class="field">
              <span>Reason, for the audit log</span>
              <input
                name="reason"
                required={action.reasonNeeded}
                autocomplete="off"
                aria-invalid={tooLong}
                aria-describedby="reason-help"
                value={reason}
                onInput={({ currentTarget }) => setReason(currentTarget.value)}
              />
              <small id="reason-help">
                {tooLong ? `At most ${maxReasonBytes} bytes.` : 'Kept with who did it and when.'}
              </small>
            </label>
            <div class="buttons">
              <button type="button" onClick={closed} disabled={isBusy}>
                Cancel
              </button>
              <button type="submit" class={action.isFinal ? 'danger' : 'primary'} disabled={!ready}>
                {isBusy
                  ? `${done} of ${action.requests.length}…`
                  : action.requests.length > 1
                    ? `${action.verb}: ${plural(action.requests.length, 'transaction')}`
                    : action.verb}
              </button>
            </div>
          </>
        ) : (
          <Outcomes outcomes={outcomes} closed={closed} />
        )}
      </form>
    </dialog>
  );
}

function Outcomes({
  outcomes,
  closed,
}: {
  readonly outcomes: readonly Outcome[];
  readonly closed: () => void;
}): JSX.Element {
  const failed = outcomes.filter(({ ok }) => !ok);
  const close = useRef<HTMLButtonElement>(null);
  // With the text, not after it: whoever presses a key on seeing it means this button.
  useLayoutEffect(() => close.current?.focus(), []);
  const [first] = outcomes;
  return (
    <>
      <div role="status">
        <p>
          {outcomes.length === 1 && first?.ok === true
            ? `The node says: ${shown(first.text, 200)}.`
            : `${plural(outcomes.length - failed.length, 'request')} done, ${failed.length} not.`}
        </p>
        <ul>
          {failed.slice(0, maxShownFailures).map(({ text, href }, index) => (
            <li key={index}>
              {shown(text, 300)} {href !== undefined && <a href={href}>Open its console</a>}
            </li>
          ))}
        </ul>
      </div>
      <div class="buttons">
        <button type="button" ref={close} class="primary" onClick={closed}>
          Close
        </button>
      </div>
    </>
  );
}

/** Buttons, each of which asks; where the page may only look, why there are none. */
export function Actions({
  actions,
  mayAct,
  after,
}: {
  readonly actions: readonly Action[];
  readonly mayAct: boolean;
  readonly after: () => void;
}): JSX.Element | null {
  const ask = useAsking();
  if (!mayAct || actions.length === 0) return null;
  return (
    <span class="actions">
      {actions.map((action) => (
        <button
          key={action.verb}
          type="button"
          class={action.isFinal ? 'danger quiet' : 'quiet'}
          onClick={() => ask(action, after)}
        >
          {action.verb}
        </button>
      ))}
    </span>
  );
}
