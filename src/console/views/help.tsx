import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

const keys: readonly (readonly [string, string])[] = [
  ['/', 'Search: a txid, a request id, a label, a participant'],
  ['g then o', 'Overview'],
  ['g then t', 'Transactions'],
  ['g then l', 'Locks'],
  ['g then p', 'Participants'],
  ['g then a', 'Attention'],
  ['Tab', 'To everything else, in order'],
  ['Escape', 'Closes what asks, and leaves the search'],
  ['?', 'This help'],
];

export function Help({ closed }: { readonly closed: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={closed}>
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        {keys.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p class="small">
        What is shown is what the nodes say, through the one that this page came from. Nothing is
        sent elsewhere.
      </p>
      <div class="buttons">
        <button type="button" class="primary" onClick={closed}>
          Close
        </button>
      </div>
    </dialog>
  );
}
