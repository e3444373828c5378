/**
 * Reads one part of a policy file: a policy, a cache namespace, or the section `sessions`. The module policies.ts reads
 * the whole file with these functions.
 *
 * Invariants:
 *   1. The functions record every problem of their part in the reader. If they record a problem, the caller must not use
 *      the result.
 *   2. Missing keys have the values of DEFAULT_POLICY_FILE.
 */
import type { Node } from 'yaml';
import { DURATION_FORM, durationText, parseDurationMs } from './duration.ts';
import { suggestionFor } from './nearest.ts';
import {
  type AlgorithmName,
  DEFAULT_POLICY_FILE,
  type FailureModeName,
  findLimitProblem,
  type LimitSpec,
  MAX_CACHE_TTL_MS,
  MAX_LIMITS_PER_POLICY,
  MAX_SESSION_TTL_MS,
  MAX_SESSIONS_PER_USER,
  NAME_FORM,
  type NamespaceSpec,
  type PolicySpec,
  type SessionSpec,
  type UserLimit,
} from './policy-file.ts';
import {
  ALGORITHM_NAMES,
  AT_USER_LIMIT,
  BUCKETS,
  FAILURE_MODES,
  LIMIT_KEYS,
  NAMESPACE_KEYS,
  POLICY_KEYS,
  SESSION_KEYS,
} from './policy-keys.ts';
import type { YamlReader } from './yaml-reader.ts';

const FIELD_OF_PROBLEM = { name: 'name', limit: 'limit', windowMs: 'per', burst: 'burst' } as const;

export function readPolicy(reader: YamlReader, node: Node, path: string, name: string): PolicySpec | undefined {
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
      const text = `must be unique in the policy, got ${JSON.stringify(limit.name)} again`;
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
    reader.refuse(
      burstNode,
      `${path}.burst`,
      `must be absent for ${algorithm}: only ${BUCKETS.join(' and ')} have a burst`,
    );
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
  const accepted = `one of ${ALGORITHM_NAMES.join(', ')}`;
  const text = reader.text(node, path, accepted);
  if (text === undefined) {
    return undefined;
  }
  const algorithm = ALGORITHM_NAMES.find((name) => name === text);
  if (algorithm === undefined) {
    const nearest = suggestionFor(text, ALGORITHM_NAMES);
    const suggestion = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    const hint = text === 'concurrency' ? '; this version does not support concurrency limits' : suggestion;
    reader.refuse(node, path, `must be ${accepted}, got ${JSON.stringify(text)}${hint}`);
  }
  return algorithm;
}

function readFailureMode(reader: YamlReader, node: Node | undefined, path: string): FailureModeName {
  const accepted = `one of ${FAILURE_MODES.join(', ')}`;
  const text = node === undefined ? 'allow' : reader.text(node, path, accepted);
  const mode = FAILURE_MODES.find((name) => name === text);
  if (text !== undefined && mode === undefined) {
    const hint = text === 'local' ? '; this version does not support local' : '';
    reader.refuse(node, path, `must be ${accepted}, got ${JSON.stringify(text)}${hint}`);
  }
  return mode ?? 'allow';
}

export function readNamespace(reader: YamlReader, node: Node, path: string): NamespaceSpec {
  const fallback = DEFAULT_POLICY_FILE.cacheDefault;
  const fields = reader.map(node, path, NAMESPACE_KEYS);
  const ttl = fields?.get('ttl');
  const near = fields?.get('near');
  return {
    ttlMs: ttl === undefined ? fallback.ttlMs : (readDuration(reader, ttl, `${path}.ttl`, MAX_CACHE_TTL_MS) ?? 1),
    near: near === undefined ? fallback.near : (reader.flag(near, `${path}.near`) ?? false),
  };
}

export function readSessions(reader: YamlReader, node: Node): SessionSpec {
  const fallback = DEFAULT_POLICY_FILE.sessions;
  const entries = reader.map(node, 'sessions', SESSION_KEYS);
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
    const text = `must be at most sessions.absolute (${durationText(absoluteTtlMs)}), got ${durationText(idleTtlMs)}`;
    reader.refuse(idle ?? absolute, 'sessions.idle', text);
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
    reader.refuse(mode, 'sessions.at_max_per_user', 'has no effect without sessions.max_per_user; set both');
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
  const accepted = maxMs === undefined ? DURATION_FORM : `${DURATION_FORM} and at most ${durationText(maxMs)}`;
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

/**
 * Returns a node without a value at the position of the parent, so that the error for a missing key has a line number.
 */
function missing(parent: Node): Node | undefined {
  return { range: parent.range } as Node;
}
