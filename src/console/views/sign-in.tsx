/** Asks who it is, where the node wants to know. What is typed goes to this node alone. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { shown } from '../model/text.ts';
import { useDesk } from './hooks.ts';

export function SignIn({ why }: { readonly why: string }): JSX.Element {
  const desk = useDesk();
  const [credential, setCredential] = useState('');
  const [keep, setKeep] = useState(false);
  const [onlyLook, setOnlyLook] = useState(false);
  if (!isSecureContext) {
    return (
      <section class="card narrow">
        <h1>This node wants to know who you are</h1>
        <p class="warning">
          This page came without encryption, so a token could be read on its way. None is asked for
          here.
        </p>
        <p>
          Give the node a certificate (<code>--tls-cert</code>, <code>--tls-key</code>) and open it
          by <code>https://</code>, or reach it through a tunnel to localhost, such as{' '}
          <code>ssh -L 7070:127.0.0.1:7070</code>.
        </p>
      </section>
    );
  }
  return (
    <section class="card narrow" aria-labelledby="sign-in">
      <h1 id="sign-in">This node wants to know who you are</h1>
      {why !== '' && (
        <p class="warning" role="alert">
          {shown(why, 400)}
        </p>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          desk.signIn(credential.trim(), { keep, onlyLook });
        }}
      >
        <label class="field">
          <span>Token or JWT</span>
          <input
            type="password"
            required
            autocomplete="off"
            spellcheck={false}
            value={credential}
            onInput={({ currentTarget }) => setCredential(currentTarget.value)}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={keep}
            onChange={({ currentTarget }) => setKeep(currentTarget.checked)}
          />
          <span>
            Keep it in this tab until it is closed. Else it is gone when the page is loaded anew.
          </span>
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={onlyLook}
            onChange={({ currentTarget }) => setOnlyLook(currentTarget.checked)}
          />
          <span>Only look: without any action</span>
        </label>
        <div class="buttons">
          <button type="submit" class="primary">
            Open
          </button>
        </div>
      </form>
      <p class="small">
        An identity needs the role <code>operator</code>, or <code>viewer</code> to look alone. A
        client certificate needs no token: the browser shows it.
      </p>
    </section>
  );
}
