/**
 * The injector's configuration file: what a sidecar is unless its pod's annotations say otherwise.
 */

export interface SidecarConfig {
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly native: 'auto' | 'true' | 'false';
  readonly resources: SidecarResources;
  readonly logLevel: string;
  readonly redis: { readonly urls: readonly string[]; readonly secretName: string | undefined };
  /** A ConfigMap in the namespace of the pod. */
  readonly policiesConfigMap: string | undefined;
  readonly socket: boolean;
  /** Further PANNIER_* settings. */
  readonly env: Readonly<Record<string, string>>;
}

export interface SidecarResources {
  readonly requests: Readonly<Record<'cpu' | 'memory', string | undefined>>;
  readonly limits: Readonly<Record<'cpu' | 'memory', string | undefined>>;
}

export interface ConfigProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export type SidecarConfigResult =
  | { readonly config: SidecarConfig }
  | { readonly problems: readonly [ConfigProblem, ...ConfigProblem[]] };

export function parseSidecarConfig(_text: string): SidecarConfigResult {
  throw new Error('not written yet');
}
