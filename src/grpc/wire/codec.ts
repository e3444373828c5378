/**
 * Contains the shared parts of the generated codecs: one reader and one writer for all messages, and the type of a
 * METHOD_CODECS entry.
 *
 * One reader and one writer are enough, because encoding and decoding are synchronous and never nested.
 */
import type { AnyMethod } from '../method.ts';
import { WireReader } from './reader.ts';
import { WireWriter } from './writer.ts';

export const reader = new WireReader();
export const writer = new WireWriter();

/** Kind of a method, decoder of its requests, and encoder of its responses. */
export interface MethodCodec {
  readonly kind: AnyMethod['kind'];
  decode(bytes: Buffer): object;
  encode(response: object): Buffer;
}
