/**
 * Reads a policy file (docs/reference/policies.md): all of it, or all of its mistakes with their lines.
 *
 * Promises: an unknown key is a mistake, and so is what cannot be served; defaults are those of DEFAULT_POLICY_FILE; an empty file is
 * the defaults.
 */
import type { Node } from 'yaml';
import { readFailureCode } from '../lib/system-code.ts';
import { DURATION_FORM, durationText, parseDurationMs } from './duration.ts';
import { suggestionFor } from './nearest.ts';
import {
  type AlgorithmName,
  type AtUserLimit,
  DEFAULT_POLICY_FILE,
  type FailureModeName,
  findLimitProblem,
  type LimitSpec,
  MAX_CACHE_TTL_MS,
  MAX_LIMITS_PER_POLICY,
  MAX_SESSION_TTL_MS,
  MAX_SESSIONS_PER_USER,
  NAME_PATTERN,
  type NamespaceSpec,
  type PolicyFile,
  type PolicySpec,
  type SessionSpec,
  type UserLimit,
} from './policy-file.ts';
import { type KeyTable, type YamlProblem, YamlReader } from './yaml-reader.ts';

export type PolicyFileResult =
  /** `hasPolicies`: the file has the key `policies`, if only to say that there are none. */
  | { readonly file: PolicyFile; readonly hasPolicies: boolean }
  | { readonly problems: readonly [YamlProblem, ...YamlProblem[]] };

/** A problem as a line of text, `FILE:LINE:COLUMN: message`, as editors jump to. */
export function policyProblemText(path: string, problem: YamlProblem): string {
  return `${path}:${problem.line}:${problem.column}: ${problem.message}`;
}

/** The same for a file that cannot be read at all. */
export function unreadablePolicyText(path: string, error: unknown): string {
  return `${path}: cannot read the policy file: ${readFailureCode(error)}, wanted a readable file`;
}

const MAX_POLICIES = 1_000;
const MAX_NAMESPACES = 1_000;

const ALGORITHMS: readonly AlgorithmName[] = [
  'fixed_window',
  'sliding_window_log',
  'sliding_window_counter',
  'token_bucket',
  'leaky_bucket',
];
const BUCKETS: readonly AlgorithmName[] = ['token_bucket', 'leaky_bucket'];
const FAILURE_MODES: readonly FailureModeName[] = ['allow', 'deny'];
const AT_USER_LIMIT: readonly AtUserLimit[] = ['evict', 'refuse'];

const NOT_SERVED = 'this version does not serve it, leave it out';
const TOP_KEYS: KeyTable = { known: ['policies', 'cache', 'sessions'] };
const POLICY_KEYS: KeyTable = {
  known: ['limits', 'on_failure', 'shared', 'hash_subjects'],
  notYet: { shadow: NOT_SERVED, durability: NOT_SERVED, leases: NOT_SERVED },
};
const LIMIT_KEYS: KeyTable = { known: ['name', 'algorithm', 'limit', 'per', 'burst'], notYet: { hold: NOT_SERVED } };
const NAMESPACE_KEYS: KeyTable = { known: ['ttl', 'near'], notYet: { stale: NOT_SERVED, negative_ttl: NOT_SERVED } };
const SESSION_KEYS: KeyTable = { known: ['idle', 'absolute', 'max_per_user', 'at_max_per_user'] };

const NAME_FORM = '1 to 64 of [A-Za-z0-9._-]';
const FIELD_OF_PROBLEM = { name: 'name', limit: 'limit', windowMs: 'per', burst: 'burst' } as const;

export function parsePolicyFile(text: string): PolicyFileResult {
  const reader = new YamlReader(text);
  const top = reader.root === undefined ? new Map<string, Node>() : reader.map(reader.root, '', TOP_KEYS);
  const policies = readPolicies(reader, top?.get('policies'));
  const namespaces = readNamespaces(reader, top?.get('cache'));
  const sessions = readSessions(reader, top?.get('sessions'));
  const [first, ...others] = reader.problems.toSorted(
    (left, right) => left.line - right.line || left.column - right.column,
  );
  if (first !== undefined) {
    return { problems: [first, ...others] };
  }
  return {
    file: {
      policies,
      cacheDefault: namespaces.get('default') ?? DEFAULT_POLICY_FILE.cacheDefault,
      cacheNamespaces: new Map([...namespaces].filter(([name]) => name !== 'default')),
      sessions,
    },
    hasPolicies: top?.has('policies') ?? false,
  };
}

function readPolicies(reader: YamlReader, node: Node | undefined): Map<string, PolicySpec> {
  const policies = new Map<string, PolicySpec>();
  const entries = node === undefined ? undefined : reader.map(node, 'policies');
  if (entries !== undefined && entries.size > MAX_POLICIES) {
    reader.fail(node, 'policies', `at most ${MAX_POLICIES} policies`);
  }
  for (const [name, policyNode] of entries ?? []) {
    const path = `policies.${name}`;
    checkName(reader, policyNode, path, name);
    const policy = readPolicy(reader, policyNode, path, name);
    if (policy !== undefined) {
      policies.set(name, policy);
    }
  }
  return policies;
}

function readPolicy(reader: YamlReader, node: Node, path: string, name: string): PolicySpec | undefined {
  const entries = reader.map(node, path, POLICY_KEYS);
  if (entries === undefined) {
    return undefined;
  }
  const limitNodes = reader.list(entries.get('limits') ?? missing(node), `${path}.limits`, {
    min: 1,
    max: MAX_LIMITS_PER_POLICY,
  });
  const limits: LimitSpec[] = [];
  for (const [index, limitNode] of (limitNodes ?? []).entries()) {
    const limit = readLimit(reader, limitNode, `${path}.limits[${index}]`);
    if (limit !== undefined && limits.some((other) => other.name === limit.name)) {
      const text = `${JSON.stringify(limit.name)} is taken by another limit, wanted a name of its own`;
      reader.refuse(limitNode, `${path}.limits[${index}].name`, text);
    }
    if (limit !== undefined) {
      limits.push(limit);
    }
  }
  const shared = entries.get('shared');
  const hashSubjects = entries.get('hash_subjects');
  return {
    name,
    limits,
    onFailure: readFailureMode(reader, entries.get('on_failure'), `${path}.on_failure`),
    shared: shared === undefined ? false : (reader.flag(shared, `${path}.shared`) ?? false),
    hashSubjects: hashSubjects === undefined ? false : (reader.flag(hashSubjects, `${path}.hash_subjects`) ?? false),
  };
}

function readLimit(reader: YamlReader, node: Node, path: string): LimitSpec | undefined {
  const entries = reader.map(node, path, LIMIT_KEYS);
  if (entries === undefined) {
    return undefined;
  }
  const algorithm = readAlgorithm(reader, entries.get('algorithm') ?? missing(node), `${path}.algorithm`);
  const limitNode = entries.get('limit');
  const limit = reader.integer(limitNode ?? missing(node), `${path}.limit`, 'a positive integer');
  const windowMs = readDuration(reader, entries.get('per') ?? missing(node), `${path}.per`);
  const nameNode = entries.get('name');
  const name = nameNode === undefined ? algorithm : reader.text(nameNode, `${path}.name`, NAME_FORM);
  const burstNode = entries.get('burst');
  const burst = burstNode === undefined ? limit : reader.integer(burstNode, `${path}.burst`, 'a positive integer');
  if (
    algorithm === undefined ||
    limit === undefined ||
    windowMs === undefined ||
    name === undefined ||
    burst === undefined
  ) {
    return undefined;
  }
  if (burstNode !== undefined && !BUCKETS.includes(algorithm)) {
    reader.fail(burstNode, `${path}.burst`, `no burst: ${algorithm} has none, ${BUCKETS.join(' and ')} have`);
    return undefined;
  }
  const spec: LimitSpec = { name, algorithm, limit, windowMs, burst };
  const problem = findLimitProblem(spec);
  if (problem !== undefined) {
    const field = FIELD_OF_PROBLEM[problem.field];
    reader.fail(entries.get(field) ?? node, `${path}.${field}`, problem.accepted);
    return undefined;
  }
  return spec;
}

function readAlgorithm(reader: YamlReader, node: Node | undefined, path: string): AlgorithmName | undefined {
  const accepted = `one of ${ALGORITHMS.join(', ')}`;
  const text = reader.text(node, path, accepted);
  if (text === undefined) {
    return undefined;
  }
  const algorithm = ALGORITHMS.find((name) => name === text);
  if (algorithm === undefined) {
    const nearest = suggestionFor(text, ALGORITHMS);
    const suggestion = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    const served = `${accepted}: this version does not serve concurrency limits`;
    reader.fail(node, path, text === 'concurrency' ? served : `${accepted}${suggestion}`);
  }
  return algorithm;
}

function readFailureMode(reader: YamlReader, node: Node | undefined, path: string): FailureModeName {
  const accepted = `one of ${FAILURE_MODES.join(', ')}`;
  const text = node === undefined ? 'allow' : reader.text(node, path, accepted);
  const mode = FAILURE_MODES.find((name) => name === text);
  if (text !== undefined && mode === undefined) {
    reader.fail(node, path, text === 'local' ? `${accepted}: this version does not serve local` : accepted);
  }
  return mode ?? 'allow';
}

function readNamespaces(reader: YamlReader, node: Node | undefined): Map<string, NamespaceSpec> {
  const namespaces = new Map<string, NamespaceSpec>();
  const entries = node === undefined ? undefined : reader.map(node, 'cache');
  if (entries !== undefined && entries.size > MAX_NAMESPACES) {
    reader.fail(node, 'cache', `at most ${MAX_NAMESPACES} namespaces`);
  }
  const fallback = DEFAULT_POLICY_FILE.cacheDefault;
  for (const [name, namespaceNode] of entries ?? []) {
    const path = `cache.${name}`;
    checkName(reader, namespaceNode, path, name);
    const fields = reader.map(namespaceNode, path, NAMESPACE_KEYS);
    const ttl = fields?.get('ttl');
    const near = fields?.get('near');
    namespaces.set(name, {
      ttlMs: ttl === undefined ? fallback.ttlMs : (readDuration(reader, ttl, `${path}.ttl`, MAX_CACHE_TTL_MS) ?? 1),
      near: near === undefined ? fallback.near : (reader.flag(near, `${path}.near`) ?? false),
    });
  }
  return namespaces;
}

function readSessions(reader: YamlReader, node: Node | undefined): SessionSpec {
  const fallback = DEFAULT_POLICY_FILE.sessions;
  const entries = node === undefined ? undefined : reader.map(node, 'sessions', SESSION_KEYS);
  const idle = entries?.get('idle');
  const absolute = entries?.get('absolute');
  const userLimit = readUserLimit(reader, entries?.get('max_per_user'), entries?.get('at_max_per_user'));
  const idleTtlMs =
    idle === undefined ? fallback.idleTtlMs : readDuration(reader, idle, 'sessions.idle', MAX_SESSION_TTL_MS);
  const absoluteTtlMs =
    absolute === undefined
      ? fallback.absoluteTtlMs
      : readDuration(reader, absolute, 'sessions.absolute', MAX_SESSION_TTL_MS);
  if (idleTtlMs === undefined || absoluteTtlMs === undefined) {
    return fallback;
  }
  if (idleTtlMs > absoluteTtlMs) {
    reader.fail(
      idle ?? absolute,
      'sessions.idle',
      `at most sessions.absolute, which is ${durationText(absoluteTtlMs)}`,
    );
  }
  return { idleTtlMs, absoluteTtlMs, ...(userLimit === undefined ? {} : { userLimit }) };
}

function readUserLimit(reader: YamlReader, max: Node | undefined, mode: Node | undefined): UserLimit | undefined {
  const accepted = `an integer from 1 to ${MAX_SESSIONS_PER_USER}`;
  const maxSessions = max === undefined ? undefined : reader.integer(max, 'sessions.max_per_user', accepted);
  const acceptedModes = `one of ${AT_USER_LIMIT.join(', ')}`;
  const text = mode === undefined ? 'evict' : reader.text(mode, 'sessions.at_max_per_user', acceptedModes);
  const atLimit = AT_USER_LIMIT.find((name) => name === text);
  if (text !== undefined && atLimit === undefined) {
    reader.fail(mode, 'sessions.at_max_per_user', acceptedModes);
  }
  if (mode !== undefined && max === undefined) {
    reader.refuse(mode, 'sessions.at_max_per_user', 'it has no effect without sessions.max_per_user, set both');
  }
  if (maxSessions === undefined || atLimit === undefined) {
    return undefined;
  }
  if (maxSessions < 1 || maxSessions > MAX_SESSIONS_PER_USER) {
    reader.fail(max, 'sessions.max_per_user', accepted);
  }
  return { maxSessions, atLimit };
}

function readDuration(reader: YamlReader, node: Node | undefined, path: string, maxMs?: number): number | undefined {
  const accepted = maxMs === undefined ? DURATION_FORM : `${DURATION_FORM}, at most ${durationText(maxMs)}`;
  const text = reader.text(node, path, accepted);
  if (text === undefined) {
    return undefined;
  }
  const durationMs = parseDurationMs(text);
  if (durationMs === undefined || durationMs > (maxMs ?? Number.POSITIVE_INFINITY)) {
    reader.fail(node, path, accepted);
    return undefined;
  }
  return durationMs;
}

function checkName(reader: YamlReader, node: Node, path: string, name: string): void {
  if (!NAME_PATTERN.test(name)) {
    reader.refuse(node, path, `its name is ${JSON.stringify(name)}, wanted ${NAME_FORM}`);
  }
}

/** The place of what is not there: its parent, without the parent's content in the error text. */
function missing(parent: Node): Node | undefined {
  return { range: parent.range } as Node;
}
