/**
 * Runs another program in this one's place: same terminal, same signals, same end. Node before
 * 23.11 cannot replace its own process. Dependency-free, and fit for Node 18.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/**
 * Resolves when the program is over, with what this process should exit with: its exit code, or
 * 128 + the number of the signal that ended it, as a shell says it.
 *
 * @param {string} command a path, or a name to be found on `environment.PATH`
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [environment]
 * @returns {Promise<number>}
 */
export function handOver(command, args, environment = process.env) {
  return new Promise((resolve, reject) => {
    let child;
    // In a pipeline one of the three may still be the terminal.
    const onTerminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
    const handlers = forwarded.map((signal) => {
      const handler = () => {
        // Ctrl-C and Ctrl-\ on a terminal reach the child by themselves; twice would mean "at
        // once".
        const fromTerminal = signal === 'SIGINT' || signal === 'SIGQUIT';
        if (!(fromTerminal && onTerminal)) child.kill(signal);
      };
      process.on(signal, handler);
      return { signal, handler };
    });
    // Only now: it runs while these lines have yet to, and a signal in that moment would leave it
    // behind alone.
    child = spawn(command, args, { stdio: 'inherit', env: environment });
    const release = () => {
      for (const { signal, handler } of handlers) process.removeListener(signal, handler);
    };
    child.on('error', (error) => {
      release();
      reject(error);
    });
    child.on('exit', (code, signal) => {
      release();
      resolve(signal === null ? code : 128 + constants.signals[signal]);
    });
  });
}
