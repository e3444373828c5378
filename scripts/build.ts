/**
 * Bundles src/main.ts into dist/ and copies the files that the program reads at run time (protos, descriptor set, Lua
 * scripts).
 *
 * Each command has its own chunk, so that a command loads only the code that it uses. The bundled program uses 10 MB
 * less resident memory than a program that loads node_modules (docs/internals/performance.md).
 */
import { cpSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { withoutNodeRedisTables } from './node-redis-tables.ts';

const root = dirname(import.meta.dirname);
const outputDirectory = join(root, 'dist');
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

rmSync(outputDirectory, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  // The worker is a separate entry point, because it runs in its own thread.
  entryPoints: { main: 'src/main.ts', 'policy-parse-worker': 'src/config/policy-parse-worker.ts' },
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  plugins: [withoutNodeRedisTables],
  define: { PANNIER_VERSION: JSON.stringify(packageJson.version) },
  // CommonJS packages in the bundle call require(), which ES modules do not define.
  banner: {
    js: "import { createRequire as panRequire } from 'node:module'; const require = panRequire(import.meta.url);",
  },
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
});
for (const asset of globSync(['{proto,third_party}/**/*.proto', 'proto/descriptor-set.binpb', 'src/**/*.lua'], {
  cwd: root,
})) {
  mkdirSync(join(outputDirectory, dirname(asset)), { recursive: true });
  cpSync(join(root, asset), join(outputDirectory, asset));
}
