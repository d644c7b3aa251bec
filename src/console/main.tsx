/** The console of a node: docs/console.md. */
import { render } from 'preact';
import { Desk } from './link/desk.ts';
import { DeskContext } from './views/hooks.ts';
import { Shell } from './views/shell.tsx';

const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
const desk = new Desk(`${scheme}://${location.host}/v1`);
desk.start();

const place = document.getElementById('app');
if (place !== null) {
  place.replaceChildren();
  render(
    <DeskContext.Provider value={desk}>
      <Shell />
    </DeskContext.Provider>,
    place,
  );
}
