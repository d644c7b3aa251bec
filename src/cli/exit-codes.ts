/** What the command's exit code says, once: the programs' view and the text of `verdict --help`. */

export const exitCodes = {
  /** Also where every line of a `submit` has its final outcome, be it committed or aborted. */
  ok: 0,
  fault: 1,
  usage: 2,
  badLines: 3,
  notDone: 4,
  unreachable: 5,
  nodeFault: 70,
  hungUp: 129,
  interrupted: 130,
  outputGone: 141,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeTexts: readonly (readonly [code: ExitCode, text: string])[] = [
  [exitCodes.ok, 'done; for submit: every line has its outcome, committed or aborted'],
  [exitCodes.fault, 'a fault on this side, such as a file that cannot be read'],
  [exitCodes.usage, 'the command line is wrong'],
  [exitCodes.badLines, 'submit: some lines were bad and left out; all others have their outcome'],
  [exitCodes.notDone, 'the coordinator refused, or an outcome is not known'],
  [exitCodes.unreachable, 'the coordinator could not be reached, or did not answer in time'],
  [
    exitCodes.nodeFault,
    'serve: the node ended itself after a fault that its log names (killed, 137: during a write)',
  ],
  [exitCodes.hungUp, 'serve and dev: the terminal was closed before the node had started'],
  [
    exitCodes.interrupted,
    'stopped by Ctrl-C; serve and dev: by a second signal (the first stops them in order, with 0)',
  ],
  [
    exitCodes.outputGone,
    'submit and top --json: stopped, because the reader of the output went away',
  ],
  [exitCodes.terminated, 'stopped by SIGTERM; not serve and dev, which end with 0'],
];
