/**
 * Implements the input and output of the commands that process manifests: files, standard input, the injector's
 * configuration, and printed lines.
 */
import { isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { defaultSidecarConfig, parseSidecarConfig, type SidecarConfig } from '../injection/sidecar-config.ts';
import { image } from '../injection/values.ts';
import { readFailureCode } from '../lib/system-code.ts';

const MAX_FILE_BYTES = 64 * 1024 * 1024;

export interface ManifestIo {
  /** Reads a file, or standard input if the path is `-`. Throws the errors of node:fs. */
  read(path: string): string;
  /** Writes text to standard output without adding a line end. */
  out(text: string): void;
  /** Writes a line to standard error. */
  error(line: string): void;
}

/** Input and output of the commands that also read directories. */
export interface FilesIo extends ManifestIo {
  /**
   * Returns the files and subdirectories of a directory, sorted by name, or undefined if the path is not a directory.
   * Follows symbolic links to files, but not to directories. Throws the errors of node:fs for a directory that cannot
   * be read.
   */
  list(path: string): readonly DirectoryEntry[] | undefined;
}

interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

export const processIo: FilesIo = {
  read: (path) => textOf(path === '-' ? readToEnd((into) => readSync(0, into)) : readFileSync(path)),
  out: (text) => void process.stdout.write(text),
  error: (line) => void process.stderr.write(`${line}\n`),
  list: listDirectory,
};

function listDirectory(path: string): DirectoryEntry[] | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return undefined;
  }
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !entry.isSymbolicLink() || !isDirectory(join(path, entry.name)))
    .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** Returns false for a link that leads nowhere, so that reading it reports the error. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

const CHUNK_BYTES = 65_536;
const PAUSE_MS = 20;

/**
 * Reads until the end, or until the limit for manifests is exceeded. Retries a read that fails with EAGAIN, because
 * some terminals and CI runners make standard input a non-blocking pipe, which reports EAGAIN while it is empty.
 */
export function readToEnd(read: (into: Buffer) => number): Buffer {
  const chunks: Buffer[] = [];
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let bytes = 0; bytes <= MAX_FILE_BYTES; ) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    try {
      const count = read(chunk);
      if (count === 0) {
        break;
      }
      chunks.push(chunk.subarray(0, count));
      bytes += count;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) {
        throw error;
      }
      Atomics.wait(sleeper, 0, 0, PAUSE_MS);
    }
  }
  return Buffer.concat(chunks);
}

/** Decodes UTF-8. Rejects other encodings, because decoding would replace bytes, even in comments. */
function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) {
    throw Object.assign(new Error('cannot decode the file'), { code: 'it is not UTF-8' });
  }
  return bytes.toString('utf8');
}

export interface ConfigFlags {
  readonly config?: string;
  readonly image?: string;
}

/** Reads manifests. If there is an error, prints it and returns undefined. */
export function readManifest(path: string, io: ManifestIo): string | undefined {
  try {
    const text = io.read(path);
    if (Buffer.byteLength(text) <= MAX_FILE_BYTES) {
      return text;
    }
    io.error(`cannot read ${path}: it is larger than ${MAX_FILE_BYTES} bytes; split it`);
  } catch (error) {
    io.error(`cannot read ${path}: ${readFailureCode(error)}; use a readable file`);
  }
  return undefined;
}

/** Reads the configuration that the flags name. If the configuration has errors, prints them and returns undefined. */
export function readConfig(flags: ConfigFlags, io: ManifestIo): SidecarConfig | undefined {
  if (flags.image !== undefined && !('value' in image.read(flags.image))) {
    io.error(`--image must be ${image.accepted}, got ${JSON.stringify(flags.image)}`);
    return undefined;
  }
  if (flags.config === undefined) {
    if (flags.image === undefined) {
      io.error('cannot determine the image of the sidecar: neither --config nor --image is set; set one of them');
      return undefined;
    }
    return defaultSidecarConfig(flags.image);
  }
  const text = readManifest(flags.config, io);
  const parsed = text === undefined ? undefined : parseSidecarConfig(text);
  if (parsed === undefined) {
    return undefined;
  }
  if ('problems' in parsed) {
    for (const { line, column, message } of parsed.problems) {
      io.error(`${flags.config}:${line}:${column}: ${message}`);
    }
    return undefined;
  }
  return flags.image === undefined ? parsed.config : { ...parsed.config, image: flags.image };
}
