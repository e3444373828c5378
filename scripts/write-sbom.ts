/**
 * Writes an SPDX document of the npm packages in the bundle: `node scripts/write-sbom.ts FILE`.
 *
 * `npm sbom --omit=dev` drops every package that a development dependency also uses, such as `yaml`. Therefore this
 * script runs `npm sbom` on a copy of package.json and package-lock.json without development and optional dependencies.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

interface Package {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  devDependencies?: unknown;
  optionalDependencies?: unknown;
}

interface Lock {
  packages: Record<string, Package>;
}

/** Returns the SPDX document of the dependencies of the repository in `root`. */
export function sbomText(root: string): string {
  const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package;
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
  lock.packages = Object.fromEntries(Object.entries(lock.packages).filter(([, entry]) => isBundled(entry)));
  for (const entry of [packageJson, lock.packages[''] ?? {}]) {
    delete entry.devDependencies;
    delete entry.optionalDependencies;
  }
  const copy = mkdtempSync(join(tmpdir(), 'pannier-sbom-'));
  try {
    writeFileSync(join(copy, 'package.json'), JSON.stringify(packageJson));
    writeFileSync(join(copy, 'package-lock.json'), JSON.stringify(lock));
    const args = ['sbom', '--package-lock-only', '--sbom-format=spdx'];
    return execFileSync('npm', args, { cwd: copy, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function isBundled({ dev, optional, devOptional }: Package): boolean {
  return !(dev || optional || devOptional);
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(process.argv[2] ?? 'pannier.spdx.json', sbomText(dirname(import.meta.dirname)));
}
