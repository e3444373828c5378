/**
 * Widens the types of decoded messages: proto-loader-gen-types gives integers of 64 bits as `number`, while our reader returns a bigint
 * where a number would not be exact (src/grpc/wire/reader.ts). Whoever uses such a field has to check its range first.
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
