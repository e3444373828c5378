/**
 * Generates the JSON schema of `sidecar.env` in the chart from the table of settings. The schema accepts the same names
 * and values as the injector. `helm install` therefore rejects values with which the injector would not start.
 *
 * A value may be a number or a string, and the schema accepts an empty string as an unset value. The table checks some
 * settings with a function, which JSON Schema does not support. For these settings, TEXT_PATTERNS contains a pattern
 * that approximates the function.
 */
import { PREFIX, type SettingName, type SettingRow } from '../src/config/settings.ts';
import { SETTABLE } from '../src/injection/values.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Pattern of URLs that are separated by commas and have the same scheme. */
const REDIS_URLS = ['redis', 'rediss']
  .map((scheme) => {
    const url = `\\s*${scheme}://[^\\s,/?#]+(/0?)?\\s*`;
    return `${url}(,${url})*`;
  })
  .join('|');

/** Pattern of one URL, in which commas separate the Sentinels. */
const SENTINEL_URL = '\\s*rediss?[+]sentinel://[^/?#]+/[A-Za-z0-9._-]{1,128}\\s*';

const LABEL_REST = '([A-Za-z0-9_-]*[A-Za-z0-9_])?';
/**
 * Pattern of the last label of a host name. This label is not a number, because the text would otherwise be an IPv4
 * address.
 */
const LAST_LABEL = `[0-9]*([A-Za-z_]|[0-9]-+[A-Za-z0-9_])${LABEL_REST}`;
const HOST_NAME = `([A-Za-z0-9_]${LABEL_REST}[.])*${LAST_LABEL}`;
const IPV4 = '[0-9]{1,3}([.][0-9]{1,3}){3}';
const MAPPED_ADDRESS = `\\s*(${HOST_NAME}|${IPV4}|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?\\s*`;
const ADDRESS_MAPPING = `${MAPPED_ADDRESS}=${MAPPED_ADDRESS}`;

const TEXT_PATTERNS: Readonly<Partial<Record<SettingName, string>>> = {
  CACHE_REDIS_URL: `^(${REDIS_URLS}|${SENTINEL_URL})?$`,
  KEY_PREFIX: '^[!-z|~]{0,64}$',
  REDIS_TLS_SERVER_NAME: `^(${HOST_NAME})?$`,
  REDIS_ADDRESS_MAP: `^(${ADDRESS_MAPPING}(,${ADDRESS_MAPPING})*)?$`,
};

export function settingSchema({ name, kind, meaning }: SettingRow): Schema {
  switch (kind.kind) {
    case 'integer': {
      const { min, max, unit } = kind;
      return {
        type: ['integer', 'string'],
        minimum: min,
        maximum: max,
        pattern: `^(0*(${integerPattern(min, max)}))?$`,
        maxLength: 15,
        description: `${min} to ${max}${unit === '' ? '' : ` ${unit}`}. ${meaning}`,
      };
    }
    case 'choice':
      return { enum: ['', ...kind.choices, ...kind.choices.filter(isBoolean).map(toBoolean)], description: meaning };
    case 'text': {
      const pattern = TEXT_PATTERNS[name as SettingName];
      if (pattern === undefined) {
        throw new Error(
          `cannot generate the schema of ${name}: its form is a function; add a pattern to TEXT_PATTERNS`,
        );
      }
      return {
        type: textTypes(kind.accepts),
        pattern,
        description: `${kind.accepted}. ${meaning}`,
      };
    }
  }
}

function isBoolean(choice: string): boolean {
  return choice === 'true' || choice === 'false';
}

/** Returns the boolean that YAML parses from the unquoted word. */
function toBoolean(choice: string): boolean {
  return choice === 'true';
}

/** Returns the JSON types of a text setting, because YAML parses an unquoted `1` or `true` as a number or a boolean. */
function textTypes(accepts: (value: string) => boolean): string | readonly string[] {
  const others = [...(accepts('1') ? ['number'] : []), ...(accepts('true') ? ['boolean'] : [])];
  return others.length === 0 ? 'string' : ['string', ...others];
}

/** Returns the text of the schema file with a new definition of settings. Throws if the file has no such definition. */
export function withSettingsSchema(schemaText: string): string {
  const definition = /^ {4}"settings": \{\n[\s\S]*?^ {4}\}/m;
  if (!definition.test(schemaText)) {
    throw new Error(
      'cannot write the schema of settings: values.schema.json has no definition "settings"; add an empty one',
    );
  }
  const properties = Object.fromEntries(SETTABLE.map((row) => [PREFIX + row.name, settingSchema(row)]));
  const text = JSON.stringify({ type: 'object', additionalProperties: false, properties }, null, 2)
    // Puts lists of words on one line, as the formatter of this repository does.
    .replace(/\[\n[^[\]{}]*\]/g, (list) => list.replace(/\s*\n\s*/g, ' ').replace(/^\[ | \]$/g, (end) => end.trim()))
    .replaceAll('\n', '\n    ');
  return schemaText.replace(definition, () => `    "settings": ${text}`);
}

/** Returns a pattern for the decimal integers from `min` to `max`, without leading zeros. */
export function integerPattern(min: number, max: number): string {
  const [shortest, longest] = [String(min).length, String(max).length];
  if (shortest === longest) {
    return sameLengthPattern(String(min), String(max));
  }
  const between = longest - 1 > shortest ? [`[1-9][0-9]${counted(shortest, longest - 2)}`] : [];
  const first = sameLengthPattern(String(min), '9'.repeat(shortest));
  return [first, ...between, sameLengthPattern(`1${'0'.repeat(longest - 1)}`, String(max))].join('|');
}

function counted(least: number, most: number): string {
  return least === most ? `{${least}}` : `{${least},${most}}`;
}

function sameLengthPattern(low: string, high: string): string {
  const rest = low.length - 1;
  if (/^0*$/.test(low) && /^9*$/.test(high)) {
    return anyDigits(low.length);
  }
  const [first, last] = [Number(low[0]), Number(high[0])];
  if (first === last) {
    return `${first}${sameLengthPattern(low.slice(1), high.slice(1))}`;
  }
  const isLowWhole = /^0*$/.test(low.slice(1));
  const isHighWhole = /^9*$/.test(high.slice(1));
  const from = isLowWhole ? first : first + 1;
  const to = isHighWhole ? last : last - 1;
  const parts = [
    ...(isLowWhole ? [] : [`${first}${sameLengthPattern(low.slice(1), '9'.repeat(rest))}`]),
    ...(from > to ? [] : [`${from === to ? from : `[${from}-${to}]`}${anyDigits(rest)}`]),
    ...(isHighWhole ? [] : [`${last}${sameLengthPattern('0'.repeat(rest), high.slice(1))}`]),
  ];
  return parts.length === 1 ? (parts[0] ?? '') : `(${parts.join('|')})`;
}

function anyDigits(count: number): string {
  return count === 0 ? '' : `[0-9]${count === 1 ? '' : counted(count, count)}`;
}
