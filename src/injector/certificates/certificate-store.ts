/**
 * Where certificates live in the cluster: the Secret of the CA and the caBundles of the webhook configuration, as a contract; and the
 * contract on a real API server.
 *
 * Promises: every change names the version that it was made for, so that of two replicas one gets 'conflict'; every call ends within
 * seconds; what else the Secret or the configuration holds stays as it is.
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
  /** In the order of the configuration. */
  readonly webhooks: readonly { readonly name: string; readonly bundlePem: string }[];
}

export interface CertificateStore {
  readSecret(): Promise<StoredSecret | undefined>;
  createSecret(pair: KeyPair): Promise<'done' | 'conflict'>;
  replaceSecret(version: string, pair: KeyPair): Promise<'done' | 'conflict'>;
  readConfiguration(): Promise<StoredConfiguration | undefined>;
  /** Writes one bundle into all webhooks. */
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
      const secret = await absentAsUndefined(core.readNamespacedSecret({ namespace, name: secretName }));
      return secret === undefined
        ? undefined
        : {
            version: secret.metadata?.resourceVersion ?? '',
            certificatePem: fromBase64(secret.data?.[CERTIFICATE_KEY]),
            keyPem: fromBase64(secret.data?.[PRIVATE_KEY_KEY]),
          };
    },
    createSecret: (pair) =>
      conflictAsAnswer(
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
      conflictAsAnswer(
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
      const found = await absentAsUndefined(admission.readMutatingWebhookConfiguration({ name: configurationName }));
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
      conflictAsAnswer(
        admission.patchMutatingWebhookConfiguration(
          {
            name: configurationName,
            fieldManager: FIELD_MANAGER,
            // Strategic: webhooks are merged by their names, nothing else of them is touched.
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

async function absentAsUndefined<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiException && error.code === 404) {
      return undefined;
    }
    throw error;
  }
}

/** Somebody else was first: with a create, a changed version, or a deletion. */
async function conflictAsAnswer(writing: Promise<unknown>): Promise<'done' | 'conflict'> {
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
