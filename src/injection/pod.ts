/**
 * Defines the types of the pod fields that injection reads and writes. Index signatures allow all other fields.
 *
 * This module does not use the type V1Pod of the Kubernetes client. Pods from files and from newer API servers may
 * contain fields that the client does not know, and injection must not drop or convert these fields.
 */

export interface Pod {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: PodMetadata;
  readonly spec?: PodSpec;
  readonly [further: string]: unknown;
}

export interface PodMetadata {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: TextMap;
  readonly annotations?: TextMap;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly [further: string]: unknown;
}

export type TextMap = Readonly<Record<string, string>>;

interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly [further: string]: unknown;
}

export interface PodSpec {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly imagePullSecrets?: readonly PullSecret[];
  readonly hostNetwork?: boolean;
  readonly restartPolicy?: string;
  readonly os?: { readonly name?: string };
  readonly nodeSelector?: TextMap;
  readonly [further: string]: unknown;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly restartPolicy?: string;
  readonly env?: readonly EnvironmentVariable[];
  readonly ports?: readonly ContainerPort[];
  readonly volumeMounts?: readonly VolumeMount[];
  readonly [further: string]: unknown;
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
  readonly [further: string]: unknown;
}

interface ContainerPort {
  readonly containerPort: number;
  readonly name?: string;
  readonly protocol?: string;
  readonly [further: string]: unknown;
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly [further: string]: unknown;
}

export interface PullSecret {
  readonly name?: string;
  readonly [further: string]: unknown;
}

export interface Volume {
  readonly name: string;
  readonly [further: string]: unknown;
}
