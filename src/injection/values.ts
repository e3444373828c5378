/**
 * Defines the kinds of values that annotations and the injector's configuration share. Each kind defines its valid
 * values in four forms: a description in English, a function, a JSON schema, and a form from which
 * scripts/annotation-warnings.ts derives the warnings of the chart.
 */
import { type Document, isMap, parseDocument, visit } from 'yaml';
import { loadSettings } from '../config/load.ts';
import { NAME_PATTERN } from '../config/policy-file.ts';
import { PREFIX, SETTINGS, type SettingName, type SettingRow } from '../config/settings.ts';
import { isObject } from '../lib/json.ts';
import { isCpuQuantity, isMemoryLimit, isMemoryRequest, isStorageQuantity, MIN_MEMORY_MEBIBYTES } from './quantity.ts';
import { patternForm, REDIS_URL_FORM, type ValueForm, YAML_MAPPING_FORM } from './value-form.ts';

export interface ValueKind<Value> {
  /** Accepted values, as a phrase that follows "must be" in errors. */
  readonly accepted: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** Form of the valid values, which the API server can check. `read` accepts no value that lacks this form. */
  readonly form: ValueForm;
  /** Whether the value may contain a password. Output and errors never show such a value. */
  readonly isSecret?: boolean;
  /** Formats a valid value for display. Without this function, the output contains the value unchanged. */
  show?(text: string): string;
  read(text: string): Reading<Value>;
}

/**
 * Result of reading a value. Each problem is a complete sentence. If the value is invalid and `problems` is empty, the
 * caller builds the error text from `accepted`.
 */
export type Reading<Value> = { readonly value: Value } | { readonly problems: readonly string[] };

const INVALID: Reading<never> = { problems: [] };

export function choice<const Choice extends string>(choices: readonly Choice[]): ValueKind<Choice> {
  return {
    accepted: choices.length === 2 ? choices.join(' or ') : `one of ${choices.join(', ')}`,
    schema: { type: 'string', enum: choices },
    form: { kind: 'choices', choices },
    read: (text) => {
      const found = choices.find((candidate) => candidate === text);
      return found === undefined ? INVALID : { value: found };
    },
  };
}

export const flag: ValueKind<boolean> = {
  accepted: '"true" or "false"',
  schema: { type: 'string', enum: ['true', 'false'] },
  form: { kind: 'choices', choices: ['true', 'false'] },
  read: (text) => (text === 'true' || text === 'false' ? { value: text === 'true' } : INVALID),
};

function integer(min: number, max: number): ValueKind<number> {
  return {
    accepted: `an integer from ${min} to ${max}`,
    schema: { type: 'string', pattern: '^[0-9]{1,15}$' },
    form: { kind: 'integer', min, max },
    read: (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? { value } : INVALID;
    },
  };
}

/** Excludes ports below 1024, because the sidecar does not run as root. */
export const port: ValueKind<number> = integer(1024, 65_535);

interface TextKind {
  readonly accepted: string;
  readonly pattern: string;
  /** The default is the form of all texts that match `pattern`. */
  readonly form?: ValueForm;
  accepts(text: string): boolean;
}

function textKind(options: TextKind): ValueKind<string> {
  return {
    accepted: options.accepted,
    schema: { type: 'string', pattern: options.pattern },
    form: options.form ?? patternForm(options.pattern),
    read: (text) => (options.accepts(text) ? { value: text } : INVALID),
  };
}

export const cpu: ValueKind<string> = textKind({
  accepted: 'a CPU quantity from 1m to 64, such as 10m or 0.5',
  pattern: '^[0-9]+([.][0-9]+)?m?$',
  form: { kind: 'quantity', suffixes: ['m'], min: '1m', max: '64' },
  accepts: isCpuQuantity,
});

const MEMORY_PATTERN = '^[0-9]+([.][0-9]+)?(k|M|G|Ki|Mi|Gi)?$';
const BYTE_SUFFIXES = ['k', 'M', 'G', 'T', 'Ki', 'Mi', 'Gi', 'Ti'];

export const memoryRequest: ValueKind<string> = textKind({
  accepted: 'a memory quantity from 1Mi to 64Gi, such as 96Mi',
  pattern: MEMORY_PATTERN,
  form: { kind: 'quantity', suffixes: BYTE_SUFFIXES, min: '1Mi', max: '64Gi' },
  accepts: isMemoryRequest,
});

export const memoryLimit: ValueKind<string> = textKind({
  accepted: `a memory quantity from ${MIN_MEMORY_MEBIBYTES}Mi to 64Gi, such as 192Mi`,
  pattern: MEMORY_PATTERN,
  form: { kind: 'quantity', suffixes: BYTE_SUFFIXES, min: `${MIN_MEMORY_MEBIBYTES}Mi`, max: '64Gi' },
  accepts: isMemoryLimit,
});

export const storage: ValueKind<string> = textKind({
  accepted: 'a storage quantity from 1Mi to 16Ti, such as 1Gi',
  pattern: '^[0-9]+([.][0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$',
  form: { kind: 'quantity', suffixes: BYTE_SUFFIXES, min: '1Mi', max: '16Ti' },
  accepts: isStorageQuantity,
});

const OBJECT_NAME = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';

export function objectName(kind: string): ValueKind<string> {
  return textKind({
    accepted: `the name of a ${kind} in the pod's namespace (lower-case letters, digits, - and .)`,
    pattern: OBJECT_NAME,
    form: patternForm(OBJECT_NAME, { maxLength: 253 }),
    accepts: (text) => text.length <= 253 && new RegExp(OBJECT_NAME).test(text),
  });
}

const IMAGE =
  '^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9._-]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$';

export const image: ValueKind<string> = textKind({
  accepted: 'an image with a tag or a digest, NAME:TAG or NAME@sha256:DIGEST',
  pattern: IMAGE,
  form: { kind: 'patterns', patterns: [IMAGE, '[:@][^/]*$'], maxLength: 512, isExact: true },
  accepts: (text) => {
    const lastPart = text.slice(text.lastIndexOf('/') + 1);
    return text.length <= 512 && new RegExp(IMAGE).test(text) && /[:@]/.test(lastPart);
  },
});

/** Returns the kind of a setting's value, as the table of settings defines it. */
export function setting(name: SettingName): ValueKind<string> {
  const row: SettingRow | undefined = SETTINGS.find((candidate) => candidate.name === name);
  return {
    accepted: row === undefined ? 'a setting' : settingForm(row),
    schema: row?.kind.kind === 'choice' ? { type: 'string', enum: row.kind.choices } : { type: 'string', minLength: 1 },
    form: row === undefined ? ANY_TEXT : formOfSetting(row),
    ...(row?.isSecret === true ? { isSecret: true } : {}),
    read: (text) => {
      if (text !== '' && !('problems' in loadSettings({ [PREFIX + name]: text }))) {
        return { value: text };
      }
      const reason = row?.kind.kind === 'text' ? row.kind.problemOf?.(text) : undefined;
      return reason === undefined ? INVALID : { problems: [reason.replace(/^: /, '')] };
    },
  };
}

const ANY_TEXT: ValueForm = { kind: 'patterns', patterns: ['^[\\s\\S]+$'], isExact: false };

/** Forms of the settings whose values a function checks. */
const TEXT_FORMS: Readonly<Partial<Record<SettingName, ValueForm>>> = {
  REDIS_URL: REDIS_URL_FORM,
  SCOPE: patternForm(NAME_PATTERN.source),
};

function formOfSetting(row: SettingRow): ValueForm {
  switch (row.kind.kind) {
    case 'integer':
      return { kind: 'integer', min: row.kind.min, max: row.kind.max };
    case 'choice':
      return { kind: 'choices', choices: row.kind.choices };
    case 'text':
      return TEXT_FORMS[row.name as SettingName] ?? ANY_TEXT;
  }
}

function settingForm(row: SettingRow): string {
  switch (row.kind.kind) {
    case 'integer':
      return `an integer from ${row.kind.min} to ${row.kind.max}${row.kind.unit === '' ? '' : ` ${row.kind.unit}`}`;
    case 'choice':
      return `one of ${row.kind.choices.join(', ')}`;
    case 'text':
      return row.kind.accepted;
  }
}

/** Settings that injection itself sets, each with the annotation to use instead. */
const OWNED: ReadonlyMap<string, string> = new Map([
  ['GRPC_ADDRESS', 'grpc-port'],
  ['GRPC_SOCKET', 'socket'],
  ['GRPC_SOCKET_MODE', 'socket'],
  ['ADMIN_ADDRESS', 'admin-port'],
  ['POLICY_FILE', 'policies'],
  ['POLICY_FILE_OPTIONAL', 'policies'],
  ['REDIS_URL', 'redis-url'],
  ['REDIS_USERNAME', 'redis-secret'],
  ['REDIS_PASSWORD_FILE', 'redis-secret'],
  ['REDIS_SENTINEL_USERNAME', 'redis-secret'],
  ['REDIS_SENTINEL_PASSWORD_FILE', 'redis-secret'],
  ['REDIS_TLS_CA_FILE', 'redis-secret'],
  ['REDIS_TLS_CERT_FILE', 'redis-tls-secret'],
  ['REDIS_TLS_KEY_FILE', 'redis-tls-secret'],
  ['REDIS_FILES_OPTIONAL', 'redis-secret'],
  ['SUBJECT_KEY_FILE', 'redis-secret'],
  ['LOG_LEVEL', 'log-level'],
  ['SCOPE', 'scope'],
]);

/** Settings that `env` may contain: all settings that injection does not set itself. */
export const SETTABLE: readonly SettingRow[] = SETTINGS.filter((row) => !OWNED.has(row.name));

/** Other settings of the program, as a mapping in YAML. JSON is also accepted, because it is valid YAML. */
export const environment: ValueKind<Readonly<Record<string, string>>> = {
  accepted: 'a mapping of PANNIER_* settings in YAML or JSON, such as {"PANNIER_NEAR_CACHE_MAX_ENTRIES": "1000"}',
  schema: { type: 'string', minLength: 2 },
  form: YAML_MAPPING_FORM,
  read: (text) => {
    // At the default log level, the package would print warnings about keys and tags.
    const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
    const isPlain = document.errors.length === 0 && isMap(document.contents) && !hasAlias(document);
    const value: unknown = isPlain ? document.toJS() : undefined;
    return isObject(value) ? readEnvironment(value) : INVALID;
  },
  show: (text) => {
    const reading = environment.read(text);
    return 'value' in reading ? environmentText(reading.value) : '';
  },
};

/** Formats settings for display and hides Redis URLs, because a URL may contain a password. */
export function environmentText(env: Readonly<Record<string, string>>): string {
  const secrets = new Set(
    (SETTINGS as readonly SettingRow[]).filter((row) => row.isSecret === true).map((row) => PREFIX + row.name),
  );
  return Object.entries(env)
    .map(([name, value]) => (secrets.has(name) ? `${name} (not shown)` : `${name}=${JSON.stringify(value)}`))
    .join(', ');
}

/**
 * Returns whether the document contains an alias. `env` allows no aliases, because a few nested aliases can expand to
 * gigabytes.
 */
function hasAlias(document: Document): boolean {
  let found = false;
  visit(document, {
    Alias: () => {
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

const SEE_SETTINGS = 'see docs/reference/settings.md';

export function readEnvironment(given: Readonly<Record<string, unknown>>): Reading<Readonly<Record<string, string>>> {
  const problems: string[] = [];
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const annotation = OWNED.get(name.slice(PREFIX.length));
    if (!name.startsWith(PREFIX)) {
      const isSetting = SETTINGS.some((row) => row.name === name);
      problems.push(`unknown setting ${name}; ${isSetting ? `did you mean ${PREFIX}${name}?` : SEE_SETTINGS}`);
    } else if (annotation !== undefined) {
      problems.push(`${name} must not be set in env: the injector sets it; use annotation "${annotation}"`);
    } else if (!['string', 'number', 'boolean'].includes(typeof value)) {
      const got = value === null ? 'null' : 'a value of another type';
      problems.push(`${name} must be a string, a number or a boolean, got ${got}`);
    } else {
      texts[name] = String(value);
    }
  }
  // A setting for a separate cache Redis requires PANNIER_REDIS_URL, which is not known here. A placeholder prevents
  // the error that this setting is missing.
  const loaded = loadSettings({ [`${PREFIX}REDIS_URL`]: 'redis://placeholder', ...texts });
  const found = 'problems' in loaded ? loaded.problems : [];
  problems.push(...found.map((problem) => problem.message));
  // The program ignores the variables that Kubernetes sets for a Service called pannier, but in `env` such a variable
  // is an error.
  const ignored = Object.keys(texts).filter(
    (name) => !SETTINGS.some((row) => PREFIX + row.name === name) && !found.some((problem) => problem.name === name),
  );
  problems.push(...ignored.map((name) => `unknown setting ${name}; ${SEE_SETTINGS}`));
  return problems.length > 0 ? { problems } : { value: texts };
}
