/**
 * A directory for PATH that holds stubs and chosen programs of this machine, so that a script finds these and no others.
 *
 * 1. A stub is a shell script. It appends its name and its arguments as one line to the log, then does what the test says.
 */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export class StubPrograms {
  /** The value of PATH. */
  readonly directory: string;
  readonly #logFile: string;

  /** Creates `bin` and a log in the directory. */
  constructor(directory: string) {
    this.directory = join(directory, 'bin');
    this.#logFile = join(directory, 'calls.log');
    mkdirSync(this.directory, { recursive: true });
  }

  /** Programs that the script may find as they are. */
  link(...names: readonly string[]): this {
    for (const name of names) {
      symlinkSync(programOnPath(name), join(this.directory, name));
    }
    return this;
  }

  /** `body` is shell text that runs after the call was logged. Returns the path of the stub. */
  add(name: string, body = 'exit 0'): string {
    const path = join(this.directory, name);
    writeFileSync(path, `#!${programOnPath('sh')}\necho "${name} $*" >>'${this.#logFile}'\n${body}\n`, { mode: 0o755 });
    return path;
  }

  /** Calls of all stubs in order: name and arguments. */
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
