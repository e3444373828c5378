/**
 * Reads the manifests that `--filename` names, as kubectl does: files, directories, and standard input.
 *
 * Invariants:
 *   1. The files keep the order of the command line. The files of a directory are sorted by name.
 *   2. A directory contributes its files that end in .yaml, .yml or .json. A file that the command line names may have
 *      any name.
 *   3. The number of files, their bytes and the depth of directories are bounded.
 *   4. If a file cannot be read, no file is processed.
 */
import { join } from 'node:path';
import { readFailureCode } from '../lib/system-code.ts';
import { type FilesIo, type ManifestIo, readManifest } from './manifest-io.ts';

const MAX_FILES = 10_000;
const MAX_TOTAL_BYTES = 256 * 1024 * 1024;
const MAX_DEPTH = 32;
const EXTENSIONS = /\.(?:yaml|yml|json)$/;
const STANDARD_INPUT = '-';

export interface FileFlags {
  /** Files, directories, or `-` for standard input. */
  readonly filename: readonly string[];
  /** Whether to read the subdirectories of directories. */
  readonly recursive?: boolean;
}

export interface ManifestFile {
  /** Name for messages. */
  readonly name: string;
  readonly text: string;
}

/** Returns the files in order. If there is an error, prints it and returns undefined. */
export function readManifestFiles(flags: FileFlags, io: FilesIo): ManifestFile[] | undefined {
  const inputs = flags.filename.filter((path) => path === STANDARD_INPUT).length;
  if (inputs > 1) {
    io.error(`--filename must contain - at most once, got ${inputs} times`);
    return undefined;
  }
  if (flags.filename.includes('')) {
    io.error('--filename must be a file, a directory or -, got ""');
    return undefined;
  }
  const found = new FileSearch(flags.recursive === true, io);
  for (const path of flags.filename) {
    found.add(path);
  }
  return found.hasFailed ? undefined : readAll(found.paths, io);
}

function readAll(paths: readonly string[], io: ManifestIo): ManifestFile[] | undefined {
  const files: ManifestFile[] = [];
  let bytes = 0;
  for (const path of paths) {
    const text = readManifest(path, io);
    bytes += text === undefined ? 0 : Buffer.byteLength(text);
    if (bytes > MAX_TOTAL_BYTES) {
      io.error(`cannot read ${path}: the files are larger than ${MAX_TOTAL_BYTES} bytes in total; name fewer files`);
      return undefined;
    }
    if (text !== undefined) {
      files.push({ name: path === STANDARD_INPUT ? '<stdin>' : path, text });
    }
  }
  return files.length === paths.length ? files : undefined;
}

/** Collects the paths of files, and prints errors. */
class FileSearch {
  readonly paths: string[] = [];
  hasFailed = false;
  readonly #isRecursive: boolean;
  readonly #io: FilesIo;

  constructor(isRecursive: boolean, io: FilesIo) {
    this.#isRecursive = isRecursive;
    this.#io = io;
  }

  /** Does nothing after an error. */
  add(path: string): void {
    if (this.hasFailed) {
      return;
    }
    if (path === STANDARD_INPUT) {
      this.#push(path);
      return;
    }
    if (/^https?:\/\//.test(path)) {
      this.#fail(`cannot read ${path}: URLs are not supported; use curl ${path} | and --filename -`);
      return;
    }
    const before = this.paths.length;
    const isDirectory = this.#addDirectory(path, 0);
    if (isDirectory === false) {
      this.#push(path);
    } else if (isDirectory && this.paths.length === before && !this.hasFailed) {
      const advice = this.#isRecursive ? 'name the files' : 'name the files, or use --recursive for subdirectories';
      this.#fail(`cannot read ${path}: the directory contains no file that ends in .yaml, .yml or .json; ${advice}`);
    }
  }

  /** Returns false if the path is not a directory, and undefined if the directory cannot be read. */
  #addDirectory(path: string, depth: number): boolean | undefined {
    if (depth > MAX_DEPTH) {
      this.#fail(`cannot read ${path}: it is more than ${MAX_DEPTH} directories deep; name the directory itself`);
      return undefined;
    }
    const entries = this.#entriesOf(path);
    for (const { name, isDirectory } of Array.isArray(entries) ? entries : []) {
      if (this.hasFailed) {
        return undefined;
      }
      if (isDirectory && this.#isRecursive) {
        this.#addDirectory(join(path, name), depth + 1);
      } else if (!isDirectory && EXTENSIONS.test(name)) {
        this.#push(join(path, name));
      }
    }
    return entries === undefined ? undefined : entries !== false;
  }

  #entriesOf(path: string): readonly { readonly name: string; readonly isDirectory: boolean }[] | false | undefined {
    try {
      return this.#io.list(path) ?? false;
    } catch (error) {
      this.#fail(`cannot read ${path}: ${readFailureCode(error)}; use a readable directory`);
      return undefined;
    }
  }

  #push(path: string): void {
    if (this.paths.length === MAX_FILES) {
      this.#fail(`cannot read ${path}: there are more than ${MAX_FILES} files; name fewer files`);
      return;
    }
    this.paths.push(path);
  }

  #fail(message: string): void {
    this.#io.error(message);
    this.hasFailed = true;
  }
}
