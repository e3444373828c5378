/**
 * The kinds of values that annotations and the injector's configuration share: what each accepts, as a text, as a function and as JSON
 * schema.
 */
import { type Document, isMap, parseDocument, visit } from 'yaml';
import { loadSettings } from '../config/load.ts';
import { PREFIX, SETTINGS, type SettingName, type SettingRow } from '../config/settings.ts';
import { isObject } from '../lib/json.ts';
import { isCpuQuantity, isMemoryLimit, isMemoryRequest, MIN_MEMORY_MEBIBYTES } from './quantity.ts';

export interface ValueKind<Value> {
  /** Completes "wanted ...". */
  readonly accepted: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** Never shown, not even in error texts. */
  readonly isSecret?: boolean;
  /** An accepted text for people; absent: as it is. */
  show?(text: string): string;
  read(text: string): Reading<Value>;
}

/** Sentences that stand for themselves; none: the text is not what is wanted, and there is no more to say. */
export type Reading<Value> = { readonly value: Value } | { readonly problems: readonly string[] };

const NO: Reading<never> = { problems: [] };

export function choice<const Choice extends string>(choices: readonly Choice[]): ValueKind<Choice> {
  return {
    accepted: choices.length === 2 ? choices.join(' or ') : `one of ${choices.join(', ')}`,
    schema: { type: 'string', enum: choices },
    read: (text) => {
      const found = choices.find((candidate) => candidate === text);
      return found === undefined ? NO : { value: found };
    },
  };
}

export const flag: ValueKind<boolean> = {
  accepted: '"true" or "false"',
  schema: { type: 'string', enum: ['true', 'false'] },
  read: (text) => (text === 'true' || text === 'false' ? { value: text === 'true' } : NO),
};

function integer(min: number, max: number): ValueKind<number> {
  return {
    accepted: `an integer from ${min} to ${max}`,
    schema: { type: 'string', pattern: '^[0-9]{1,15}$' },
    read: (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? { value } : NO;
    },
  };
}

/** Without the rights of root, ports below 1024 are not to be had. */
export const port: ValueKind<number> = integer(1024, 65_535);

function textKind(options: { accepted: string; pattern: string; accepts(text: string): boolean }): ValueKind<string> {
  return {
    accepted: options.accepted,
    schema: { type: 'string', pattern: options.pattern },
    read: (text) => (options.accepts(text) ? { value: text } : NO),
  };
}

export const cpu: ValueKind<string> = textKind({
  accepted: 'cores from 1m to 64, such as 10m or 0.5',
  pattern: '^[0-9]+([.][0-9]+)?m?$',
  accepts: isCpuQuantity,
});

const MEMORY_PATTERN = '^[0-9]+([.][0-9]+)?(k|M|G|Ki|Mi|Gi)?$';

export const memoryRequest: ValueKind<string> = textKind({
  accepted: 'memory from 1Mi to 64Gi, such as 96Mi',
  pattern: MEMORY_PATTERN,
  accepts: isMemoryRequest,
});

export const memoryLimit: ValueKind<string> = textKind({
  accepted: `memory from ${MIN_MEMORY_MEBIBYTES}Mi to 64Gi, such as 192Mi`,
  pattern: MEMORY_PATTERN,
  accepts: isMemoryLimit,
});

const OBJECT_NAME = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';

export function objectName(kind: string): ValueKind<string> {
  return textKind({
    accepted: `the name of a ${kind} in the pod's namespace (lower-case letters, digits, - and .)`,
    pattern: OBJECT_NAME,
    accepts: (text) => text.length <= 253 && new RegExp(OBJECT_NAME).test(text),
  });
}

const IMAGE =
  '^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9._-]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$';

export const image: ValueKind<string> = textKind({
  accepted: 'an image with a tag or a digest, NAME:TAG or NAME@sha256:DIGEST',
  pattern: IMAGE,
  accepts: (text) => {
    const lastPart = text.slice(text.lastIndexOf('/') + 1);
    return text.length <= 512 && new RegExp(IMAGE).test(text) && /[:@]/.test(lastPart);
  },
});

/** What a setting of the program may be: the table of settings decides. */
export function setting(name: SettingName): ValueKind<string> {
  const row: SettingRow | undefined = SETTINGS.find((candidate) => candidate.name === name);
  return {
    accepted: row === undefined ? 'a setting' : settingForm(row),
    schema: row?.kind.kind === 'choice' ? { type: 'string', enum: row.kind.choices } : { type: 'string', minLength: 1 },
    ...(row?.isSecret === true ? { isSecret: true } : {}),
    read: (text) => {
      if (text !== '' && !('problems' in loadSettings({ [PREFIX + name]: text }))) {
        return { value: text };
      }
      const reason = row?.kind.kind === 'text' ? row.kind.problemOf?.(text) : undefined;
      return reason === undefined ? NO : { problems: [reason.replace(/^: /, '')] };
    },
  };
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

/** What injection itself sets, and by what it can be set instead. */
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

/** What `env` may hold: the settings that injection does not set itself. */
export const SETTABLE: readonly SettingRow[] = SETTINGS.filter((row) => !OWNED.has(row.name));

/** Further settings of the program, as a mapping in YAML (JSON is YAML). */
export const environment: ValueKind<Readonly<Record<string, string>>> = {
  accepted: 'a mapping of PANNIER_* settings in YAML or JSON, such as {"PANNIER_NEAR_CACHE_MAX_ENTRIES": "1000"}',
  schema: { type: 'string', minLength: 2 },
  read: (text) => {
    const document = parseDocument(text, { prettyErrors: false });
    const isPlain = document.errors.length === 0 && isMap(document.contents) && !hasAlias(document);
    const value: unknown = isPlain ? document.toJS() : undefined;
    return isObject(value) ? readEnvironment(value) : NO;
  },
  show: (text) => {
    const reading = environment.read(text);
    return 'value' in reading ? environmentText(reading.value) : '';
  },
};

/** For people: a URL of Redis may hold a password. */
export function environmentText(env: Readonly<Record<string, string>>): string {
  const secrets = new Set(
    (SETTINGS as readonly SettingRow[]).filter((row) => row.isSecret === true).map((row) => PREFIX + row.name),
  );
  return Object.entries(env)
    .map(([name, value]) => (secrets.has(name) ? `${name} (not shown)` : `${name}=${JSON.stringify(value)}`))
    .join(', ');
}

/** A few nested aliases expand to gigabytes, and nobody needs one here. */
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

export function readEnvironment(given: Readonly<Record<string, unknown>>): Reading<Readonly<Record<string, string>>> {
  const problems: string[] = [];
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const owner = OWNED.get(name.slice(PREFIX.length));
    if (!name.startsWith(PREFIX)) {
      const isSetting = SETTINGS.some((row) => row.name === name);
      problems.push(
        `cannot use ${name}: it is no setting of pannier, wanted ${isSetting ? PREFIX + name : `a name with ${PREFIX}`}`,
      );
    } else if (owner !== undefined) {
      problems.push(`cannot use ${name}: the injector sets it, wanted ${owner} (see the annotations) instead`);
    } else if (!['string', 'number', 'boolean'].includes(typeof value)) {
      problems.push(`cannot use ${name}: it is not one value, wanted a string`);
    } else {
      texts[name] = String(value);
    }
  }
  // A cache of its own wants the other Redis too: whether there is one is known only when the container is built.
  const loaded = loadSettings({ [`${PREFIX}REDIS_URL`]: 'redis://placeholder', ...texts });
  const found = 'problems' in loaded ? loaded.problems : [];
  problems.push(...found.map((problem) => problem.message));
  // The program overlooks what Kubernetes sets for a Service called pannier; nobody means that here.
  const overlooked = Object.keys(texts).filter(
    (name) => !SETTINGS.some((row) => PREFIX + row.name === name) && !found.some((problem) => problem.name === name),
  );
  problems.push(
    ...overlooked.map(
      (name) => `cannot use ${name}: there is no such setting, wanted one of docs/reference/settings.md`,
    ),
  );
  return problems.length > 0 ? { problems } : { value: texts };
}
