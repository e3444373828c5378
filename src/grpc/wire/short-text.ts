/**
 * Converts short ASCII text between bytes and strings with loops, which are faster for a few bytes than the native
 * calls of Buffer.
 *
 * In a measurement, reading 16 bytes as the key of a map took 30 ns, compared with 55 ns for `Buffer.toString`. Writing
 * 8 characters took 14 ns, compared with 25 ns for `Buffer.write`.
 */
const characters = String.fromCharCode;

/** Maximum length to read with a loop. `Buffer.toString` is faster for longer text. */
export const MAX_SHORT_TEXT_BYTES = 24;
/**
 * Maximum length to write with a loop; `Buffer.write` is faster for longer text. The maximum is below 128, so that the
 * length prefix has one byte.
 */
export const MAX_SHORT_TEXT_UNITS = 10;

/**
 * Returns the text, or undefined if it is not ASCII. The function converts eight characters at a time, so that it
 * concatenates fewer strings.
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

/** Writes the text. Returns false if the text is not ASCII; in this case, part of the text may have been written. */
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
