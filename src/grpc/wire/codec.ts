/**
 * What the generated codecs share: one reader and one writer for all messages, and the shape of a row of METHOD_CODECS.
 *
 * One of each is enough, as decoding and encoding are synchronous and call nothing that decodes or encodes.
 */
import type { AnyMethod } from '../method.ts';
import { WireReader } from './reader.ts';
import { WireWriter } from './writer.ts';

export const reader = new WireReader();
export const writer = new WireWriter();

/** What the protos say of a method. */
export interface MethodCodec {
  readonly kind: AnyMethod['kind'];
  decode(bytes: Buffer): object;
  encode(response: object): Buffer;
}
