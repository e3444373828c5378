/**
 * Defines which fields of the sidecar's security context the configuration may set, and which fields are fixed.
 *
 * Invariants:
 *   1. Every accepted security context meets the Pod Security Standard `restricted`.
 *   2. The configuration cannot set a fixed field.
 *   3. Without `runAsUser`, the sidecar runs as the user of its image, or as the user that the platform assigns.
 */
import { isScalar, type Node } from 'yaml';
import type { YamlReader } from '../config/yaml-reader.ts';
import { isObject } from '../lib/json.ts';
import type { Pod } from './pod.ts';

export interface SidecarSecurityContext {
  /** User id; undefined omits the field. */
  readonly runAsUser: number | undefined;
  /** Group id; undefined omits the field. */
  readonly runAsGroup: number | undefined;
  readonly seccompProfile: SecurityProfile;
  readonly appArmorProfile: SecurityProfile | undefined;
  readonly seLinuxOptions: SeLinuxOptions | undefined;
}

interface SecurityProfile {
  readonly type: string;
  readonly localhostProfile?: string;
}

interface SeLinuxOptions {
  readonly type?: string;
  readonly level?: string;
}

/** Id of the user and of the group `nonroot` in the image. */
const IMAGE_USER_ID = 65_532;
const MAX_ID = 2_147_483_647;

export const DEFAULT_SECURITY_CONTEXT: SidecarSecurityContext = {
  runAsUser: IMAGE_USER_ID,
  runAsGroup: IMAGE_USER_ID,
  seccompProfile: { type: 'RuntimeDefault' },
  appArmorProfile: undefined,
  seLinuxOptions: undefined,
};

const FIXED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
} as const;

const PROFILE_TYPES = ['RuntimeDefault', 'Localhost'];
/** Types that the Pod Security Standards allow. */
const SELINUX_TYPES = ['container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'];
const SETTABLE = ['runAsUser', 'runAsGroup', 'seccompProfile', 'appArmorProfile', 'seLinuxOptions'];
const FIXED_ERRORS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(FIXED).map(([name, value]) => [
    name,
    `must be unset, because every sidecar has ${name} ${JSON.stringify(value)}`,
  ]),
);

/** Returns the security context of the sidecar's container. */
export function containerSecurityContext(context: SidecarSecurityContext): object {
  const entries = Object.entries({ ...FIXED, ...context }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** Reads `sidecar.securityContext` of the configuration. A null value of runAsUser or runAsGroup omits the field. */
export function readSecurityContext(reader: YamlReader, node: Node | undefined): SidecarSecurityContext {
  const path = 'sidecar.securityContext';
  const fields = node && reader.map(node, path, { known: SETTABLE, notYet: FIXED_ERRORS });
  if (fields === undefined) {
    return DEFAULT_SECURITY_CONTEXT;
  }
  const at = (name: string): Field => ({ node: fields.get(name), path: `${path}.${name}` });
  return {
    runAsUser: fields.has('runAsUser') ? readId(reader, at('runAsUser'), 1) : IMAGE_USER_ID,
    runAsGroup: fields.has('runAsGroup') ? readId(reader, at('runAsGroup'), 0) : IMAGE_USER_ID,
    seccompProfile: readProfile(reader, at('seccompProfile')) ?? DEFAULT_SECURITY_CONTEXT.seccompProfile,
    appArmorProfile: readProfile(reader, at('appArmorProfile')),
    seLinuxOptions: readSeLinux(reader, at('seLinuxOptions')),
  };
}

/**
 * Returns the error for a pod that runs as root although the sidecar takes its user from the pod. The kubelet would not
 * start such a sidecar.
 */
export function rootUserProblem(pod: Pod, context: SidecarSecurityContext): string | undefined {
  const podContext = pod.spec?.securityContext;
  const isRoot = isObject(podContext) && podContext.runAsUser === 0;
  return isRoot && context.runAsUser === undefined
    ? 'cannot inject the pod: spec.securityContext.runAsUser is 0 and the sidecar, which never runs as root, has no runAsUser of its own; set runAsUser in the containers instead of the pod, or set sidecar.securityContext.runAsUser in the configuration'
    : undefined;
}

interface Field {
  readonly node: Node | undefined;
  readonly path: string;
}

function readId(reader: YamlReader, { node, path }: Field, min: number): number | undefined {
  if (isScalar(node) && node.value === null) {
    return undefined;
  }
  const accepted = `an integer from ${min} to ${MAX_ID}, or null to omit it`;
  const id = reader.integer(node, path, accepted);
  if (id !== undefined && (id < min || id > MAX_ID)) {
    reader.fail(node, path, accepted);
  }
  return id;
}

function readProfile(reader: YamlReader, { node, path }: Field): SecurityProfile | undefined {
  if (node === undefined) {
    return undefined;
  }
  const fields = reader.map(node, path, { known: ['type', 'localhostProfile'] });
  if (fields === undefined) {
    return undefined;
  }
  const type = readChoice(reader, { node: fields.get('type'), path: `${path}.type` }, PROFILE_TYPES);
  const file = { node: fields.get('localhostProfile'), path: `${path}.localhostProfile` };
  if (type !== 'Localhost') {
    if (file.node !== undefined) {
      reader.refuse(file.node, file.path, 'must be unset unless type is Localhost');
    }
    return type === undefined ? undefined : { type };
  }
  const accepted =
    'a relative path of at most 256 characters, such as profiles/pannier.json, because type is Localhost';
  const localhostProfile = readPattern(reader, { ...file, accepted, pattern: LOCALHOST_PROFILE });
  return localhostProfile === undefined ? undefined : { type, localhostProfile };
}

const LOCALHOST_PROFILE = /^(?=.{1,256}$)[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)*$/;
const SELINUX_LEVEL = /^[A-Za-z0-9:,.-]{1,128}$/;

function readSeLinux(reader: YamlReader, { node, path }: Field): SeLinuxOptions | undefined {
  const notYet = {
    user: 'must be unset, because Pod Security restricted does not allow it',
    role: 'must be unset, because Pod Security restricted does not allow it',
  };
  const fields = node && reader.map(node, path, { known: ['type', 'level'], notYet });
  if (fields === undefined) {
    return undefined;
  }
  const typeAt = { node: fields.get('type'), path: `${path}.type` };
  const type = typeAt.node === undefined ? undefined : readChoice(reader, typeAt, SELINUX_TYPES);
  const levelAt = { node: fields.get('level'), path: `${path}.level` };
  const accepted = 'an SELinux level such as s0:c123,c456';
  const level =
    levelAt.node === undefined ? undefined : readPattern(reader, { ...levelAt, accepted, pattern: SELINUX_LEVEL });
  return { ...(type === undefined ? {} : { type }), ...(level === undefined ? {} : { level }) };
}

function readChoice(reader: YamlReader, { node, path }: Field, choices: readonly string[]): string | undefined {
  const accepted = `one of ${choices.join(', ')}`;
  const text = reader.text(node, path, accepted);
  if (text !== undefined && !choices.includes(text)) {
    reader.fail(node, path, accepted);
    return undefined;
  }
  return text;
}

function readPattern(
  reader: YamlReader,
  { node, path, accepted, pattern }: Field & { readonly accepted: string; readonly pattern: RegExp },
): string | undefined {
  const text = reader.text(node, path, accepted);
  if (text !== undefined && !pattern.test(text)) {
    reader.fail(node, path, accepted);
    return undefined;
  }
  return text;
}
