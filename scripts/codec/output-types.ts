/**
 * Widens the types of 64-bit integers in decoded messages from `number` to `number | bigint`. The reader in
 * src/grpc/wire/reader.ts returns a bigint if a number would not be exact, but proto-loader-gen-types declares
 * `number`. With the wider type, code that reads such a field compiles only if the code checks the range.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileModel, MessageModel } from './model.ts';

export function widenIntegers(file: FileModel, typesDirectory: string): void {
  for (const message of file.decoded.filter(hasIntegers)) {
    const path = join(typesDirectory, message.type.path);
    writeFileSync(path, widened(readFileSync(path, 'utf8'), message));
  }
}

function hasIntegers({ fields }: MessageModel): boolean {
  return fields.some(({ value }) => value.kind === 'int64');
}

function widened(text: string, { fullName, fields }: MessageModel): string {
  let result = text;
  for (const { name } of fields.filter(({ value }) => value.kind === 'int64')) {
    const before = result;
    result = result.replace(new RegExp(`^(  '${name}'\\??: \\()number(\\))`, 'm'), '$1number | bigint$2');
    if (result === before) {
      throw new Error(`cannot widen ${fullName}: its type has no line for ${name} as a number; adapt this script`);
    }
  }
  return result;
}
