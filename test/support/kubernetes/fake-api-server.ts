/**
 * Fake HTTPS API server that serves only the few paths that the injector calls. It implements resource versions and
 * conflicts like a real API server.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCa, signServingCertificate } from '../../../src/injector/certificates/ca.ts';

interface StoredObject {
  metadata: { name: string; resourceVersion: string };
  [further: string]: unknown;
}

interface Webhook {
  name: string;
  clientConfig: { caBundle?: string };
}

type Answer = { readonly status: number; readonly body: unknown };

const SECRETS = '/api/v1/namespaces/pannier-system/secrets';
const CONFIGURATION = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pannier-injector';

export class FakeApiServer {
  readonly calls: string[] = [];
  readonly kubeconfig: string;
  secret: StoredObject | undefined;
  webhooks: Webhook[] = ['pods', 'namespaced-pods', 'namespaces'].map((name) => ({
    name: `${name}.pannier.dev`,
    clientConfig: {},
  }));
  kubeletVersions = ['v1.34.4'];
  readonly #server: Server;
  #version = 1;

  private constructor(server: Server, ca: string) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.kubeconfig = join(mkdtempSync(join(tmpdir(), 'pannier-kubeconfig-')), 'config');
    const cluster = {
      server: `https://127.0.0.1:${port}`,
      'tls-server-name': 'api.test',
      'certificate-authority-data': Buffer.from(ca).toString('base64'),
    };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'test', user: { token: 'test' } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    };
    writeFileSync(this.kubeconfig, JSON.stringify(config));
  }

  static async start(): Promise<FakeApiServer> {
    const nowMs = Date.now();
    const ca = await createCa({ lifetimeMs: 3_600_000, nowMs });
    const servingCertificate = await signServingCertificate({
      ca,
      hostNames: ['api.test'],
      lifetimeMs: 3_600_000,
      nowMs,
    });
    const server = createServer({ cert: servingCertificate.certificatePem, key: servingCertificate.keyPem });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const fake = new FakeApiServer(server, ca.certificatePem);
    server.on('request', (request, response) => void fake.#handle(request, response));
    return fake;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  bundles(): string[] {
    return this.webhooks.map(({ clientConfig }) => Buffer.from(clientConfig.caBundle ?? '', 'base64').toString());
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) {
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString();
    const path = request.url?.split('?')[0] ?? '';
    this.calls.push(`${request.method} ${path}`);
    const { status, body } = this.#answer(`${request.method} ${path}`, text === '' ? undefined : JSON.parse(text));
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  #answer(call: string, body: StoredObject | undefined): Answer {
    switch (call) {
      case `GET ${SECRETS}/pannier-injector-ca`:
        return this.secret === undefined ? failure(404) : { status: 200, body: this.secret };
      case `POST ${SECRETS}`:
        return this.secret === undefined && body !== undefined ? this.#store(body) : failure(409);
      case `PATCH ${SECRETS}/pannier-injector-ca`:
        return this.secret?.metadata.resourceVersion === body?.metadata.resourceVersion && body !== undefined
          ? this.#store({ ...this.secret, ...body })
          : failure(409);
      case `GET ${CONFIGURATION}`:
        return this.#configuration();
      case `PATCH ${CONFIGURATION}`:
        return this.#patchConfiguration(body);
      case 'GET /api/v1/nodes': {
        const items = this.kubeletVersions.map((kubeletVersion) => ({ status: { nodeInfo: { kubeletVersion } } }));
        return { status: 200, body: { kind: 'NodeList', metadata: {}, items } };
      }
      default:
        return failure(403);
    }
  }

  #store(object: StoredObject): Answer {
    this.#version += 1;
    this.secret = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    return { status: 200, body: this.secret };
  }

  #configuration(): Answer {
    const metadata = { name: 'pannier-injector', resourceVersion: String(this.#version) };
    return { status: 200, body: { metadata, webhooks: this.webhooks } };
  }

  #patchConfiguration(body: StoredObject | undefined): Answer {
    if (body?.metadata.resourceVersion !== String(this.#version)) {
      return failure(409);
    }
    this.#version += 1;
    const changes = new Map((body.webhooks as Webhook[]).map((webhook) => [webhook.name, webhook]));
    this.webhooks = this.webhooks.map((webhook) => ({
      ...webhook,
      clientConfig: { ...webhook.clientConfig, ...changes.get(webhook.name)?.clientConfig },
    }));
    return this.#configuration();
  }
}

function failure(code: number): Answer {
  return { status: code, body: { kind: 'Status', status: 'Failure', code, message: `${code}, simulated failure` } };
}
