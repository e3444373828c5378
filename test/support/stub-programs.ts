/**
 * A directory for PATH that contains only stubs and chosen programs of this machine. A script under test finds no other
 * programs.
 *
 * A stub is a shell script. It appends its name and its arguments as one line to the log, and then runs the shell code
 * that the test has passed to `add`.
 */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export class StubPrograms {
  /** Value for PATH. */
  readonly directory: string;
  readonly #logFile: string;

  /** Creates the directory `bin` and the log file below `directory`. */
  constructor(directory: string) {
    this.directory = join(directory, 'bin');
    this.#logFile = join(directory, 'calls.log');
    mkdirSync(this.directory, { recursive: true });
  }

  /** Makes programs of this machine available under their names. */
  link(...names: readonly string[]): this {
    for (const name of names) {
      symlinkSync(programOnPath(name), join(this.directory, name));
    }
    return this;
  }

  /** Adds a stub and returns its path. `body` is shell code that runs after the call was logged. */
  add(name: string, body = 'exit 0'): string {
    const path = join(this.directory, name);
    writeFileSync(path, `#!${programOnPath('sh')}\necho "${name} $*" >>'${this.#logFile}'\n${body}\n`, { mode: 0o755 });
    return path;
  }

  /** Returns the calls of all stubs in order. Each call consists of the stub's name and its arguments. */
  calls(): string[] {
    if (!existsSync(this.#logFile)) {
      return [];
    }
    return readFileSync(this.#logFile, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  }
}

function programOnPath(name: string): string {
  const directories = (process.env.PATH ?? '').split(delimiter);
  const path = directories.map((directory) => join(directory, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new Error(`cannot find ${name}: no directory of PATH has it; install it`);
  }
  return path;
}
