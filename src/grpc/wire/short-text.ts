/**
 * Converts short ASCII text between bytes and strings with loops, which are faster for a few bytes than the native
 * calls of Buffer.
 *
 * Measured: reading 16 bytes as the key of a map took 30 ns instead of 55 with `Buffer.toString`; writing 8 characters
 * took 14 ns instead of 25 with `Buffer.write`.
 */
const characters = String.fromCharCode;

/** Maximum length to read by a loop. `Buffer.toString` is faster for longer text. */
export const MAX_SHORT_TEXT_BYTES = 24;
/**
 * Maximum length to write by a loop; `Buffer.write` is faster for longer text. It is below 128, so the length prefix
 * has one byte.
 */
export const MAX_SHORT_TEXT_UNITS = 10;

/**
 * Returns the text, or undefined if it is not ASCII. It converts eight characters at a time to concatenate fewer
 * strings.
 */
export function readShortText(bytes: Buffer, start: number, length: number): string | undefined {
  const end = start + length;
  let text = '';
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const a = bytes[at] as number;
    const b = bytes[at + 1] as number;
    const c = bytes[at + 2] as number;
    const d = bytes[at + 3] as number;
    const e = bytes[at + 4] as number;
    const f = bytes[at + 5] as number;
    const g = bytes[at + 6] as number;
    const h = bytes[at + 7] as number;
    if ((a | b | c | d | e | f | g | h) > 0x7f) {
      return undefined;
    }
    text += characters(a, b, c, d, e, f, g, h);
  }
  for (; at + 3 <= end; at += 3) {
    const a = bytes[at] as number;
    const b = bytes[at + 1] as number;
    const c = bytes[at + 2] as number;
    if ((a | b | c) > 0x7f) {
      return undefined;
    }
    text += characters(a, b, c);
  }
  for (; at < end; at += 1) {
    const a = bytes[at] as number;
    if (a > 0x7f) {
      return undefined;
    }
    text += characters(a);
  }
  return text;
}

/** Writes the text. Returns false if it is not ASCII; some of it may be written then. */
export function writeShortText(bytes: Buffer, start: number, text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) {
      return false;
    }
    bytes[start + index] = code;
  }
  return true;
}
