/** What a check of the doctor found. */
export type FindingStatus = 'ok' | 'warning' | 'problem' | 'skipped';

export interface Finding {
  /** What was looked at: `nodes`, `etcd`, or a database. */
  readonly area: string;
  readonly check: string;
  readonly status: FindingStatus;
  readonly found: string;
  /** What to do about it. */
  readonly todo?: string;
}

/** Those of one area. */
export class Findings {
  readonly all: Finding[] = [];
  readonly #area: string;

  constructor(area: string) {
    this.#area = area;
  }

  ok(check: string, found: string): void {
    this.#add(check, 'ok', found);
  }

  skipped(check: string, found: string, todo?: string): void {
    this.#add(check, 'skipped', found, todo);
  }

  warning(check: string, found: string, todo: string): void {
    this.#add(check, 'warning', found, todo);
  }

  problem(check: string, found: string, todo: string): void {
    this.#add(check, 'problem', found, todo);
  }

  /** `ok` where nothing of that check was found. */
  else(check: string, found: string): void {
    if (this.all.every((each) => each.check !== check)) this.ok(check, found);
  }

  #add(check: string, status: FindingStatus, found: string, todo?: string): void {
    const more = todo === undefined ? {} : { todo };
    this.all.push({ area: this.#area, check, status, found, ...more });
  }
}
