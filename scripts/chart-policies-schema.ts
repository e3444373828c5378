/**
 * Generates the JSON schema of `policies` in the chart from the tables of the policy file. `helm install` therefore
 * rejects most policy files with errors before it creates a ConfigMap.
 *
 * The schema is laxer than the parser where JSON Schema cannot express a rule in a readable way. test/chart/policies.test.ts
 * lists these rules.
 */
import { DURATION_FORM } from '../src/config/duration.ts';
import { MAX_LIMIT, MAX_LIMITS_PER_POLICY, MAX_SESSIONS_PER_USER, NAME_PATTERN } from '../src/config/policy-file.ts';
import {
  ALGORITHM_NAMES,
  AT_USER_LIMIT,
  FAILURE_MODES,
  LIMIT_KEYS,
  MAX_NAMESPACES,
  MAX_POLICIES,
  NAMESPACE_KEYS,
  POLICY_KEYS,
  SESSION_KEYS,
  TOP_KEYS,
} from '../src/config/policy-keys.ts';
import { withDefinition } from './chart-settings-schema.ts';

type Schema = Readonly<Record<string, unknown>>;

const NAME = { pattern: NAME_PATTERN.source };
const UNITS = { type: 'integer', minimum: 1, maximum: MAX_LIMIT };
const FLAG = { type: 'boolean' };
const DURATION = { type: 'string', pattern: '^[0-9]*[1-9][0-9]*(ms|s|m|h|d)$', description: DURATION_FORM };

const LIMIT = {
  ...objectWith(LIMIT_KEYS.known, {
    name: { type: 'string', ...NAME },
    algorithm: { enum: ALGORITHM_NAMES },
    limit: UNITS,
    per: DURATION,
    burst: UNITS,
  }),
  required: ['algorithm', 'limit', 'per'],
};
const POLICY = objectWith(POLICY_KEYS.known, {
  limits: {
    type: 'array',
    items: { $ref: '#/definitions/limit' },
    minItems: 1,
    maxItems: MAX_LIMITS_PER_POLICY,
  },
  on_failure: { enum: FAILURE_MODES },
  shared: FLAG,
  hash_subjects: FLAG,
});
const NAMESPACE = objectWith(NAMESPACE_KEYS.known, { ttl: DURATION, near: FLAG });
const SESSIONS = objectWith(SESSION_KEYS.known, {
  idle: DURATION,
  absolute: DURATION,
  max_per_user: { type: 'integer', minimum: 1, maximum: MAX_SESSIONS_PER_USER },
  at_max_per_user: { enum: AT_USER_LIMIT },
});
const POLICY_FILE = objectWith(TOP_KEYS.known, {
  policies: namedEntries({ ...POLICY, required: ['limits'] }, MAX_POLICIES),
  cache: namedEntries(NAMESPACE, MAX_NAMESPACES),
  sessions: { ...SESSIONS, dependencies: { at_max_per_user: ['max_per_user'] } },
});

/** Returns the text of the schema file with new definitions of policy files and of limits. */
export function withPoliciesSchema(schemaText: string): string {
  return withDefinition(withDefinition(schemaText, 'limit', LIMIT), 'policyFile', POLICY_FILE);
}

/** Returns the schema of a mapping with exactly these optional keys. */
function objectWith<Key extends string>(keys: readonly Key[], properties: Readonly<Record<Key, Schema>>): Schema {
  const ordered = Object.fromEntries(keys.map((key) => [key, properties[key]]));
  return { type: 'object', additionalProperties: false, properties: ordered };
}

function namedEntries(entry: Schema, maxProperties: number): Schema {
  return { type: 'object', maxProperties, propertyNames: NAME, additionalProperties: entry };
}
