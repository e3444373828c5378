/**
 * Resolves YAML scalars to the types and values that kubectl gives them.
 *
 * kubectl reads manifests with sigs.k8s.io/yaml, which resolves scalars by rules between YAML 1.1 and 1.2: `yes` and `on`
 * are booleans, `0644` and `0o644` are octal numbers, and `1:30` is a string. test/injection/kubectl-scalars.tsv lists
 * what kubectl returns for many scalars.
 *
 * Invariants:
 *   1. An integer that a JavaScript number cannot represent exactly is a bigint, so that it keeps its value.
 *   2. The number -0 does not occur, because it would not equal 0.
 *   3. The time is proportional to the length of the scalar, and no scalar is too long for the stack.
 */

type ScalarValue = string | number | bigint | boolean | null;

export interface WrittenScalar {
  /** Text of the scalar without quotes and escape sequences. */
  readonly text: string;
  readonly isPlain: boolean;
  /** Tag with its full prefix, such as `tag:yaml.org,2002:int`. */
  readonly tag: string | undefined;
}

/** Resolved scalar. A scalar of the type `special` is infinite or not a number, which JSON cannot represent. */
export type ResolvedScalar =
  | { readonly type: 'string' | 'integer' | 'float' | 'boolean' | 'null'; readonly value: ScalarValue }
  | { readonly type: 'special'; readonly name: '.inf' | '-.inf' | '.nan' };

export type ScalarReading = ResolvedScalar | { readonly type: 'invalid'; readonly problem: string };

const WORDS: ReadonlyMap<string, ResolvedScalar> = new Map(
  (
    [
      [['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'], { type: 'boolean', value: true }],
      [['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'], { type: 'boolean', value: false }],
      [['', '~', 'null', 'Null', 'NULL'], { type: 'null', value: null }],
      [['.nan', '.NaN', '.NAN'], { type: 'special', name: '.nan' }],
      [['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'], { type: 'special', name: '.inf' }],
      [['-.inf', '-.Inf', '-.INF'], { type: 'special', name: '-.inf' }],
    ] satisfies [string[], ResolvedScalar][]
  ).flatMap(([words, scalar]) => words.map((word) => [word, scalar] as const)),
);

const TAG_PREFIX = 'tag:yaml.org,2002:';
const GROUP_OF_BASE64 = 4;
const PADDING = /={1,2}$/;
const NOT_BASE64 = /[^A-Za-z0-9+/]/;
const DATE = /^\d{4}-\d{1,2}-\d{1,2}([Tt ]\d{1,2}:\d{1,2}:\d{1,2}|$)/;

export function readScalar({ text, isPlain, tag }: WrittenScalar): ScalarReading {
  const type = tag?.startsWith(TAG_PREFIX) === true ? tag.slice(TAG_PREFIX.length) : undefined;
  switch (type) {
    case 'binary':
      return decodeBinary(text);
    case 'null':
    case 'bool':
    case 'int':
    case 'float':
    case 'timestamp':
      return resolveAs(type, text);
    default:
      return tag === undefined && isPlain ? resolvePlain(text) : stringOf(text);
  }
}

type TaggedType = 'null' | 'bool' | 'int' | 'float' | 'timestamp';

/** Resolves a scalar with an explicit tag. The tag takes precedence over quotes. */
function resolveAs(tagged: TaggedType, text: string): ScalarReading {
  const resolved = resolvePlain(text);
  switch (tagged) {
    case 'null':
      return resolved.type === 'null' ? resolved : mismatch(tagged, 'null');
    case 'bool':
      return resolved.type === 'boolean' ? resolved : mismatch(tagged, 'true or false');
    case 'int':
      return resolved.type === 'integer' ? resolved : mismatch(tagged, 'an integer');
    case 'timestamp':
      return resolved.type === 'string' && DATE.test(text) ? resolved : mismatch(tagged, 'a date or time');
    case 'float':
      if (resolved.type === 'integer' && !(typeof resolved.value === 'bigint' && resolved.value > MAX_INT64)) {
        return { type: 'float', value: Number(resolved.value) };
      }
      return resolved.type === 'float' || resolved.type === 'special' ? resolved : mismatch(tagged, 'a number');
  }
}

function mismatch(tagged: TaggedType, accepted: string): ScalarReading {
  return { type: 'invalid', problem: `the value of the tag !!${tagged} must be ${accepted}` };
}

function decodeBinary(text: string): ScalarReading {
  const encoded = text.replace(/[\r\n]/g, '');
  return encoded.length % GROUP_OF_BASE64 === 0 && !NOT_BASE64.test(encoded.replace(PADDING, ''))
    ? stringOf(Buffer.from(encoded, 'base64').toString('utf8'))
    : { type: 'invalid', problem: 'the value of the tag !!binary must be base64' };
}

function stringOf(value: string): ResolvedScalar {
  return { type: 'string', value };
}

/** Resolves a scalar without quotes and tag. */
export function resolvePlain(text: string): ResolvedScalar {
  const word = WORDS.get(text);
  if (word !== undefined) {
    return word;
  }
  if (!/^[-+.\d]/.test(text) || text.length > MAX_NUMBER_CHARACTERS) {
    return stringOf(text);
  }
  const isPoint = text.startsWith('.');
  const digits = isPoint ? withoutSeparators(text) : text.replaceAll('_', '');
  const integer = isPoint || DATE.test(text) ? undefined : parseInteger(digits);
  if (integer !== undefined) {
    return { type: 'integer', value: exact(integer) };
  }
  const float = FLOAT.test(digits) ? Number(digits) : Number.NaN;
  // kubectl reads a number that is too large as a string.
  return Number.isFinite(float) ? { type: 'float', value: float === 0 ? 0 : float } : stringOf(text);
}

/**
 * Maximum length of a number. A longer one would overflow the stack of the regular expressions, and nothing that
 * injection reads can have such a value.
 */
const MAX_NUMBER_CHARACTERS = 10_000;
const FLOAT = /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/;
/** Groups: the sign, the prefix of the base, and the digits. */
const INTEGER =
  /^([-+]?)(0[xX](?=[\da-fA-F]+$)|0[oO](?=[0-7]+$)|0[bB](?=[01]+$)|0(?=[0-7]+$)|(?=(?:0|[1-9]\d*)$))([\da-fA-F]+)$/;
const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;
/** Digits of 64 bits in base 2, without leading zeros. More digits would only take time. */
const MAX_DIGITS = 64;

/** Removes underscores between two digits, which kubectl allows in numbers that begin with a point. */
function withoutSeparators(text: string): string {
  return /(?<!\d)_|_(?!\d)/.test(text) ? text : text.replaceAll('_', '');
}

/** Returns undefined if the text is not an integer, or is outside the range of int64 and uint64. */
function parseInteger(text: string): bigint | undefined {
  // kubectl reads `0b-1` as `-0b1`.
  const [, sign, prefix, digits] = INTEGER.exec(text.replace(/^0b([-+])(?=[01])/, '$10b')) ?? [];
  if (digits === undefined || digits.replace(/^0+/, '').length > MAX_DIGITS) {
    return undefined;
  }
  const base = prefix === '0' ? '0o' : (prefix ?? '').toLowerCase();
  const magnitude = BigInt(base + digits);
  const value = sign === '-' ? -magnitude : magnitude;
  // An integer with a sign must be an int64.
  const max = sign === '' ? MAX_UINT64 : MAX_INT64;
  return value >= MIN_INT64 && value <= max ? value : undefined;
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * Returns the text of a scalar that is the key of a mapping, or undefined if kubectl does not accept the scalar as a key.
 * JSON allows only strings as keys, so kubectl converts booleans and numbers.
 */
export function keyText(scalar: ScalarReading): string | undefined {
  switch (scalar.type) {
    case 'string':
    case 'boolean':
      return String(scalar.value);
    case 'integer':
      return typeof scalar.value === 'bigint' && scalar.value > MAX_INT64 ? undefined : String(scalar.value);
    case 'float':
      return floatKey(Number(scalar.value));
    case 'special':
      return scalar.name;
    case 'null':
    case 'invalid':
      return undefined;
  }
}

const MAX_FLOAT32_DIGITS = 9;

/** Formats a number with the fewest digits that identify it among 32-bit numbers, because kubectl does so for keys. */
function floatKey(value: number): string {
  const single = Math.fround(value);
  if (!Number.isFinite(single)) {
    return single > 0 ? '.inf' : '-.inf';
  }
  for (let digits = 0; digits < MAX_FLOAT32_DIGITS; digits += 1) {
    const [mantissa = '', exponent = '0'] = single.toExponential(digits).split('e');
    if (Math.fround(Number(`${mantissa}e${exponent}`)) === single) {
      return layoutOf(mantissa, Number(exponent));
    }
  }
  return String(single);
}

function layoutOf(mantissa: string, exponent: number): string {
  if (exponent >= -4 && exponent < 6) {
    return String(Number(`${mantissa}e${exponent}`));
  }
  const sign = exponent < 0 ? '-' : '+';
  return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
}
