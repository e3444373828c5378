/**
 * Stores certificates in the cluster: the CA in a Secret, and the caBundles in the webhook configuration. Defines the
 * contract of such a store and implements it with the Kubernetes API.
 *
 * Invariants:
 *   1. Every write contains the resource version on which it is based, so only one of two concurrent writers succeeds.
 *      The other writer receives 'conflict'.
 *   2. A write leaves all other fields of the Secret and of the configuration unchanged.
 */
import {
  type AdmissionregistrationV1Api,
  ApiException,
  type CoreV1Api,
  PatchStrategy,
  setHeaderOptions,
} from '@kubernetes/client-node';

export interface KeyPair {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface StoredSecret extends KeyPair {
  readonly version: string;
}

export interface StoredConfiguration {
  readonly version: string;
  /** Webhooks in the order of the configuration. */
  readonly webhooks: readonly { readonly name: string; readonly bundlePem: string }[];
}

export interface CertificateStore {
  readSecret(): Promise<StoredSecret | undefined>;
  createSecret(pair: KeyPair): Promise<'done' | 'conflict'>;
  replaceSecret(version: string, pair: KeyPair): Promise<'done' | 'conflict'>;
  readConfiguration(): Promise<StoredConfiguration | undefined>;
  /** Writes the same bundle into the caBundle of every webhook. */
  patchBundles(configuration: StoredConfiguration, bundlePem: string): Promise<'done' | 'conflict'>;
}

export interface KubernetesStoreOptions {
  readonly core: CoreV1Api;
  readonly admission: AdmissionregistrationV1Api;
  readonly namespace: string;
  readonly secretName: string;
  readonly configurationName: string;
}

const CERTIFICATE_KEY = 'ca.crt';
const PRIVATE_KEY_KEY = 'ca.key';
const FIELD_MANAGER = 'pannier-injector';

export function kubernetesCertificateStore(options: KubernetesStoreOptions): CertificateStore {
  const { core, admission, namespace, secretName, configurationName } = options;
  const secretData = (pair: KeyPair): Record<string, string> => ({
    [CERTIFICATE_KEY]: toBase64(pair.certificatePem),
    [PRIVATE_KEY_KEY]: toBase64(pair.keyPem),
  });
  return {
    readSecret: async () => {
      const secret = await undefinedIfAbsent(core.readNamespacedSecret({ namespace, name: secretName }));
      return secret === undefined
        ? undefined
        : {
            version: secret.metadata?.resourceVersion ?? '',
            certificatePem: fromBase64(secret.data?.[CERTIFICATE_KEY]),
            keyPem: fromBase64(secret.data?.[PRIVATE_KEY_KEY]),
          };
    },
    createSecret: (pair) =>
      reportConflict(
        core.createNamespacedSecret({
          namespace,
          fieldManager: FIELD_MANAGER,
          body: {
            metadata: { name: secretName, labels: { 'app.kubernetes.io/managed-by': FIELD_MANAGER } },
            type: 'Opaque',
            data: secretData(pair),
          },
        }),
      ),
    replaceSecret: (version, pair) =>
      reportConflict(
        core.patchNamespacedSecret(
          {
            namespace,
            name: secretName,
            fieldManager: FIELD_MANAGER,
            body: { metadata: { resourceVersion: version }, data: secretData(pair) },
          },
          setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
        ),
      ),
    readConfiguration: async () => {
      const found = await undefinedIfAbsent(admission.readMutatingWebhookConfiguration({ name: configurationName }));
      return found === undefined
        ? undefined
        : {
            version: found.metadata?.resourceVersion ?? '',
            webhooks: (found.webhooks ?? []).map(({ name, clientConfig }) => ({
              name,
              bundlePem: fromBase64(clientConfig.caBundle),
            })),
          };
    },
    patchBundles: (configuration, bundlePem) =>
      reportConflict(
        admission.patchMutatingWebhookConfiguration(
          {
            name: configurationName,
            fieldManager: FIELD_MANAGER,
            // A strategic merge patch matches webhooks by name and leaves their other fields unchanged.
            body: {
              metadata: { resourceVersion: configuration.version },
              webhooks: configuration.webhooks.map(({ name }) => ({
                name,
                clientConfig: { caBundle: toBase64(bundlePem) },
              })),
            },
          },
          setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch),
        ),
      ),
  };
}

async function undefinedIfAbsent<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiException && error.code === 404) {
      return undefined;
    }
    throw error;
  }
}

/** Returns 'conflict' if another writer has created, changed or deleted the object first. */
async function reportConflict(writing: Promise<unknown>): Promise<'done' | 'conflict'> {
  try {
    await writing;
    return 'done';
  } catch (error) {
    if (error instanceof ApiException && (error.code === 409 || error.code === 404)) {
      return 'conflict';
    }
    throw error;
  }
}

function toBase64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

function fromBase64(text: string | undefined): string {
  return Buffer.from(text ?? '', 'base64').toString('utf8');
}
