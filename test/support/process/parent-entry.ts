/** A process that starts another as tests do, tells both pids, and waits to be killed. */
import { Child } from './child.ts';
import { tell } from './tell.ts';

const child = new Child('test/support/process/directory-holder.ts', {
  args: [String(process.argv[2])],
});
await child.line(/locked/);
tell(`started ${child.pid}`);
if (process.argv[3] === 'stopped') child.signal('SIGSTOP');
