/**
 * Bundles of our codec and of the codecs of protobuf-es, ts-proto and protobufjs. The benchmark builds these bundles in
 * the same way as scripts/build.ts builds the sidecar.
 *
 * 1. Each run generates the code for protobuf-es and ts-proto from proto/ into a temporary directory.
 * 2. Every bundle exports a map `codecs` with the same interface, so that the same code measures all bundles.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export interface Codec {
  decode(bytes: Buffer): object;
  encode(response: object): Uint8Array;
  /** Returns the response in the form that `encode` accepts. */
  prepare(response: object, encoded: Buffer): object;
}

/** Codecs of one bundle, by the path of their method. */
export type Codecs = ReadonlyMap<string, Codec>;

const root = dirname(dirname(import.meta.dirname));

const SERVICES = [
  { name: 'RateLimitService', file: 'rate_limit' },
  { name: 'SessionService', file: 'session' },
  { name: 'CacheService', file: 'cache' },
] as const;

const BUF_TEMPLATE = {
  version: 'v2',
  plugins: [
    { local: 'protoc-gen-es', out: 'protobuf-es', opt: ['target=ts', 'import_extension=ts'] },
    {
      local: 'protoc-gen-ts_proto',
      out: 'ts-proto',
      opt: [
        'forceLong=number',
        'env=node',
        'esModuleInterop=true',
        'importSuffix=.ts',
        'outputJsonMethods=false',
        'outputServices=generic-definitions',
      ],
    },
  ],
};

/** Source of each bundle's entry point. The bundle `empty` contains no codec and is the baseline for memory. */
const ENTRIES = {
  empty: 'export const codecs = new Map();',
  protobufjs: `
    import { loadContract, methodsOf } from '${root}/src/grpc/contract.ts';
    const contract = loadContract();
    export const codecs = new Map(${JSON.stringify(SERVICES.map(({ name }) => `pannier.v1.${name}`))}.flatMap((service) =>
      Object.values(methodsOf(contract, service)).map(({ path, requestDeserialize, responseSerialize }) => [
        path,
        { decode: requestDeserialize, encode: responseSerialize, prepare: (response) => response },
      ])));`,
  'our codec': `
    import { METHOD_CODECS } from '${root}/src/grpc/generated/codec/methods.ts';
    export const codecs = new Map([...METHOD_CODECS].map(([path, { decode, encode }]) => [
      path,
      { decode, encode, prepare: (response) => response },
    ]));`,
  'ts-proto': `
    ${importsOf((name, file) => `import { ${name}Definition as ${name} } from './ts-proto/pannier/v1/${file}.ts';`)}
    export const codecs = new Map(${listOfServices()}.flatMap((service) =>
      Object.values(service.methods).map(({ name, requestType, responseType }) => [
        '/' + service.fullName + '/' + name,
        {
          decode: (bytes) => requestType.decode(bytes),
          encode: (response) => responseType.encode(response).finish(),
          prepare: (_response, encoded) => responseType.decode(encoded),
        },
      ])));`,
  'protobuf-es': `
    import { fromBinary, toBinary } from '@bufbuild/protobuf';
    ${importsOf((name, file) => `import { ${name} } from './protobuf-es/pannier/v1/${file}_pb.ts';`)}
    export const codecs = new Map(${listOfServices()}.flatMap((service) =>
      service.methods.map(({ name, input, output }) => [
        '/' + service.typeName + '/' + name,
        {
          decode: (bytes) => fromBinary(input, bytes),
          encode: (response) => toBinary(output, response),
          prepare: (_response, encoded) => fromBinary(output, encoded),
        },
      ])));`,
} as const;

export type BundleName = keyof typeof ENTRIES;

export class CodecBundles {
  readonly #directory = mkdtempSync(join(tmpdir(), 'pannier-codecs-'));

  async build(): Promise<void> {
    // The bundler resolves modules and protos from this directory.
    for (const name of ['node_modules', 'proto']) {
      symlinkSync(join(root, name), join(this.#directory, name));
    }
    const template = JSON.stringify(BUF_TEMPLATE);
    const binaries = join(root, 'node_modules', '.bin');
    execFileSync(join(binaries, 'buf'), ['generate', 'proto', '--template', template, '-o', this.#directory], {
      cwd: root,
      env: { ...process.env, PATH: `${binaries}:${process.env.PATH ?? ''}` },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    for (const [name, text] of Object.entries(ENTRIES)) {
      writeFileSync(join(this.#directory, `${name}.ts`), text);
    }
    await build({
      absWorkingDir: this.#directory,
      entryPoints: [
        ...Object.keys(ENTRIES).map((name) => ({ in: `${name}.ts`, out: name })),
        { in: join(import.meta.dirname, 'memory-probe.ts'), out: 'memory-probe' },
      ],
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      outdir: this.#directory,
      outExtension: { '.js': '.mjs' },
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      minifyWhitespace: true,
      minifySyntax: true,
      legalComments: 'none',
      logLevel: 'warning',
    });
  }

  async load(name: BundleName): Promise<Codecs> {
    const module = (await import(pathToFileURL(this.pathOf(name)).href)) as { codecs: Codecs };
    return module.codecs;
  }

  pathOf(name: BundleName | 'memory-probe'): string {
    return join(this.#directory, `${name}.mjs`);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function importsOf(line: (name: string, file: string) => string): string {
  return SERVICES.map(({ name, file }) => line(name, file)).join('\n');
}

function listOfServices(): string {
  return `[${SERVICES.map(({ name }) => name).join(', ')}]`;
}
