/**
 * Reads the policy file. If a mounted ConfigMap lacks the file, the result names the keys that exist.
 *
 * Kubernetes writes the keys of a ConfigMap into a directory with an entry `..data`. Only in such a directory do the
 * other files belong to the policy file.
 *
 * Invariants:
 *   1. Reading never throws or rejects: an error is part of the result.
 *   2. The result names at most 10 keys.
 *   3. A file that is too large for a policy file is not read, because its text could exhaust the heap.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { readFailureCode } from '../lib/system-code.ts';
import { MAX_FILE_BYTES } from './yaml-reader.ts';

export type PolicyContent =
  | { readonly kind: 'text'; readonly text: string }
  /** The file does not exist, and nothing suggests that it has another name. */
  | { readonly kind: 'absent'; readonly code: string }
  | { readonly kind: 'other_keys'; readonly code: string; readonly key: string; readonly found: readonly string[] }
  /** `bytes` is the size of a file that is too large. */
  | { readonly kind: 'unreadable'; readonly code: string; readonly bytes?: number };

const MAX_KEYS = 10;
const ABSENT_CODES = ['ENOENT', 'ENOTDIR'];
/** Entry of the directory of a mounted ConfigMap or Secret. */
const MOUNT_ENTRY = '..data';

export function readPolicyContentSync(path: string): PolicyContent {
  try {
    return tooLarge(statSync(path)) ?? { kind: 'text', text: readFileSync(path, 'utf8') };
  } catch (error) {
    return failedContent(path, readFailureCode(error), () => readdirSync(dirname(path)));
  }
}

export async function readPolicyContent(path: string): Promise<PolicyContent> {
  try {
    return tooLarge(await stat(path)) ?? { kind: 'text', text: await readFile(path, 'utf8') };
  } catch (error) {
    const code = readFailureCode(error);
    const names = ABSENT_CODES.includes(code) ? await readdir(dirname(path)).catch(() => []) : [];
    return failedContent(path, code, () => names);
  }
}

/** Returns whether two results are the same, so that nothing has changed. */
export function isSameContent(left: PolicyContent, right: PolicyContent): boolean {
  if (left.kind === 'text' || right.kind === 'text') {
    return left.kind === 'text' && right.kind === 'text' && left.text === right.text;
  }
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Returns the error text for a ConfigMap that lacks the key of the policy file. */
export function missingKeyText(path: string, { key, found }: Extract<PolicyContent, { kind: 'other_keys' }>): string {
  return `cannot read the policy file ${path}: the ConfigMap has no key ${key}, only ${found.join(', ')}; rename the key to ${key}`;
}

/** Returns the result for a file of this size, or undefined if the size is acceptable. */
function tooLarge({ size }: { readonly size: number }): PolicyContent | undefined {
  return size > MAX_FILE_BYTES ? { kind: 'unreadable', code: 'EFBIG', bytes: size } : undefined;
}

function failedContent(path: string, code: string, listDirectory: () => readonly string[]): PolicyContent {
  if (!ABSENT_CODES.includes(code)) {
    return { kind: 'unreadable', code };
  }
  const names = namesIn(listDirectory);
  // The link of the file remains for a moment after its key was removed from the ConfigMap.
  const found = names.filter((name) => !name.startsWith('..') && name !== basename(path)).toSorted();
  if (!names.includes(MOUNT_ENTRY) || found.length === 0) {
    return { kind: 'absent', code };
  }
  const more = found.length > MAX_KEYS ? [`${found.length - MAX_KEYS} others`] : [];
  return { kind: 'other_keys', code, key: basename(path), found: [...found.slice(0, MAX_KEYS), ...more] };
}

function namesIn(listDirectory: () => readonly string[]): readonly string[] {
  try {
    return listDirectory();
  } catch {
    return [];
  }
}
