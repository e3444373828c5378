/**
 * Defines forms of texts that both JavaScript and the expression language of the API server (CEL) can check.
 *
 * Invariants:
 *   1. The patterns use only syntax that has the same meaning in JavaScript and in RE2: character classes of ASCII
 *      characters, groups, alternatives, `?`, `*`, `+` and `{n,m}` up to 1000, and `^` and `$` for the whole text.
 *   2. A form that is not exact accepts every valid value, and rejects only values that are certainly invalid.
 */

export type ValueForm =
  | { readonly kind: 'choices'; readonly choices: readonly string[] }
  /** Decimal digits, at most 15, with a value from `min` to `max`. */
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  /** Kubernetes quantity from `min` to `max` without a suffix, or with one of the suffixes. */
  | { readonly kind: 'quantity'; readonly suffixes: readonly string[]; readonly min: string; readonly max: string }
  /** Text that matches all patterns. */
  | {
      readonly kind: 'patterns';
      readonly patterns: readonly string[];
      readonly maxLength?: number;
      readonly isExact: boolean;
    };

export function patternForm(pattern: string, options: { maxLength?: number } = {}): ValueForm {
  return { kind: 'patterns', patterns: [pattern], ...options, isExact: true };
}

/** Returns the pattern of a quantity: at most 15 digits, at most 9 decimal places, and one of the suffixes. */
export function quantityPattern(suffixes: readonly string[]): string {
  return `^[0-9]{1,15}([.][0-9]{1,9})?(${suffixes.join('|')})?$`;
}

/** Spaces around an item. The class contains more than spaces, because JavaScript and RE2 define `\s` differently. */
export const SPACES = '[^!-~]*';
const PORT = '(:[0-9]{1,9})?';
const HOST = `([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:][^\\]/?#,]*\\])${PORT}`;

function serverUrls(scheme: string): string {
  const url = `${SPACES}${scheme}://([^/?#,]*@)?${HOST}(/0?)?${SPACES}`;
  return `${url}(,${url})*`;
}

const REDIS = '[Rr][Ee][Dd][Ii][Ss]';
const SENTINEL = `${SPACES}${HOST}${SPACES}`;
const SENTINELS = `${SPACES}${REDIS}[Ss]?[+][Ss][Ee][Nn][Tt][Ii][Nn][Ee][Ll]://([^/?#]*@)?${SENTINEL}(,${SENTINEL})*/[A-Za-z0-9._-]{1,128}${SPACES}`;

/** Form of the URLs that src/lib/redis-url.ts parses. It checks neither the ranges of ports nor percent-encoding. */
export const REDIS_URL_FORM: ValueForm = {
  kind: 'patterns',
  patterns: [`^(${serverUrls(REDIS)}|${serverUrls(`${REDIS}[Ss]`)}|${SENTINELS})$`],
  isExact: false,
};

/**
 * Form of a mapping in YAML whose keys begin with PANNIER_. The mapping may be empty, and a key in quotes may contain an
 * escape.
 */
export const YAML_MAPPING_FORM: ValueForm = {
  kind: 'patterns',
  patterns: ['(PANNIER_|\\\\)([^=]*|[^:]*#[\\s\\S]*):|\\{[^:]*\\}'],
  isExact: false,
};
