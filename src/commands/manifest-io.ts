/**
 * What the commands that read manifests share: files or standard input in, the injector's configuration, lines out.
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync, readSync } from 'node:fs';
import { defaultSidecarConfig, parseSidecarConfig, type SidecarConfig } from '../injection/sidecar-config.ts';
import { image } from '../injection/values.ts';
import type { EditedManifests, ManifestResult } from '../manifests/edit-manifests.ts';

const MAX_FILE_BYTES = 64 * 1024 * 1024;

export interface ManifestIo {
  /** Of a path; `-` is standard input. Throws as node:fs does. */
  read(path: string): string;
  /** As it is, without a line end. */
  out(text: string): void;
  /** A line. */
  error(line: string): void;
}

export const processIo: ManifestIo = {
  read: (path) => textOf(path === '-' ? readToEnd((into) => readSync(0, into)) : readFileSync(path)),
  out: (text) => void process.stdout.write(text),
  error: (line) => void process.stderr.write(`${line}\n`),
};

const CHUNK_BYTES = 65_536;
const PAUSE_MS = 20;

/**
 * Standard input may be a pipe that does not block, as some terminals and CI runners make it: then there is nothing yet, and one asks again.
 * Reads little more than a manifest may have.
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

/** Other bytes would be replaced on their way through, comments' too. */
function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) {
    throw Object.assign(new Error('cannot read the bytes as text'), { code: 'it is not UTF-8' });
  }
  return bytes.toString('utf8');
}

export interface ConfigFlags {
  readonly config?: string;
  readonly image?: string;
}

/** Undefined: it cannot be read, and that has been said. */
export function readManifest(path: string, io: ManifestIo): string | undefined {
  try {
    const text = io.read(path);
    if (Buffer.byteLength(text) <= MAX_FILE_BYTES) {
      return text;
    }
    io.error(`cannot read ${path}: it is larger than ${MAX_FILE_BYTES} bytes, wanted less`);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    io.error(`cannot read ${path}: ${code}, wanted a readable file`);
  }
  return undefined;
}

/** The configuration that the flags name. Undefined: it has mistakes, and they have been said. */
export function readConfig(flags: ConfigFlags, io: ManifestIo): SidecarConfig | undefined {
  if (flags.image !== undefined && !('value' in image.read(flags.image))) {
    io.error(`cannot use --image: it is ${JSON.stringify(flags.image)}, wanted ${image.accepted}`);
    return undefined;
  }
  if (flags.config === undefined) {
    if (flags.image === undefined) {
      io.error('cannot tell the image of the sidecar: neither --config nor --image is given, wanted one of them');
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

/** What became of the manifests. Undefined: they cannot be read, and that has been said. */
export function editedOrSaid(result: ManifestResult, io: ManifestIo): EditedManifests | undefined {
  if (!('problems' in result)) {
    return result;
  }
  for (const problem of result.problems) {
    io.error(problem);
  }
  return undefined;
}
