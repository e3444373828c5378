/**
 * What `sidecar.env` of the chart accepts, from the table of settings: the same names and values as the injector, so that `helm install`
 * refuses what the injector would refuse when it starts.
 *
 * Values may be written as numbers or as texts; an empty text is as good as none. JSON Schema has no functions: of a setting whose form is
 * one, the pattern here says as much as a pattern can.
 */
import { PREFIX, type SettingName, type SettingRow } from '../src/config/settings.ts';
import { SETTABLE } from '../src/injection/values.ts';

type Schema = Readonly<Record<string, unknown>>;

/** One of the two schemes for all. */
const REDIS_URLS = ['redis', 'rediss']
  .map((scheme) => {
    const url = `\\s*${scheme}://[^\\s,/?#]+(/0?)?\\s*`;
    return `${url}(,${url})*`;
  })
  .join('|');

/** One URL, whose commas separate the Sentinels. */
const SENTINEL_URL = '\\s*rediss?[+]sentinel://[^/?#]+/[A-Za-z0-9._-]{1,128}\\s*';

const LABEL_REST = '([A-Za-z0-9_-]*[A-Za-z0-9_])?';
/** The last label is more than digits: not the end of an IPv4 address. */
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
        throw new Error(`cannot describe ${name}: its form is a function, wanted a pattern in TEXT_PATTERNS`);
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

/** As YAML reads the word without quotes. */
function toBoolean(choice: string): boolean {
  return choice === 'true';
}

/** A number or a word of YAML is text where such a text will do. */
function textTypes(accepts: (value: string) => boolean): string | readonly string[] {
  const others = [...(accepts('1') ? ['number'] : []), ...(accepts('true') ? ['boolean'] : [])];
  return others.length === 0 ? 'string' : ['string', ...others];
}

/** The schema file with its definition of settings as the table is now. Throws where it has none. */
export function withSettingsSchema(schemaText: string): string {
  const definition = /^ {4}"settings": \{\n[\s\S]*?^ {4}\}/m;
  if (!definition.test(schemaText)) {
    throw new Error('cannot write the schema of settings: values.schema.json has no definition "settings"');
  }
  const properties = Object.fromEntries(SETTABLE.map((row) => [PREFIX + row.name, settingSchema(row)]));
  const text = JSON.stringify({ type: 'object', additionalProperties: false, properties }, null, 2)
    // Lists of words on one line, as the formatter of this repository writes them.
    .replace(/\[\n[^[\]{}]*\]/g, (list) => list.replace(/\s*\n\s*/g, ' ').replace(/^\[ | \]$/g, (end) => end.trim()))
    .replaceAll('\n', '\n    ');
  return schemaText.replace(definition, () => `    "settings": ${text}`);
}

/** A pattern of the decimal integers from min to max, without leading zeros. */
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
