/**
 * Omits two tables of node-redis from the bundle: the 400 commands and the metadata of the commands. Pannier sends only
 * raw commands and does not need these tables. Evaluating the tables at the start would cost each sidecar with Redis
 * about 4 MB of anonymous memory and 20 ms.
 *
 * 1. Reading an entry of an omitted table throws an error that contains the name of the entry.
 * 2. The build fails if one of the tables does not exist.
 */
import type { Plugin } from 'esbuild';

/** Path of each table in the package, with the name of its export. */
const TABLES: Readonly<Record<string, string>> = {
  '@redis/client/dist/lib/commands/index.js': 'default',
  '@redis/client/dist/lib/command-metadata/command-metadata-data.js': 'COMMAND_METADATA',
};

export const withoutNodeRedisTables: Plugin = {
  name: 'without-node-redis-tables',
  setup(build) {
    const missing = new Set(Object.keys(TABLES));
    build.onLoad({ filter: /@redis[\\/]client[\\/]dist[\\/]lib[\\/]command/ }, ({ path }) => {
      const name = Object.keys(TABLES).find((table) => path.replaceAll('\\', '/').endsWith(`/node_modules/${table}`));
      if (name === undefined) {
        return undefined;
      }
      missing.delete(name);
      return { contents: tableThatThrows(TABLES[name] ?? ''), loader: 'js' };
    });
    build.onEnd(() => {
      const errors = [...missing].map((table) => ({
        text: `cannot omit ${table}: the bundle does not import it; adapt scripts/node-redis-tables.ts to this version of node-redis`,
      }));
      return { errors };
    });
  },
};

function tableThatThrows(exported: string): string {
  return `
    const get = (_, entry) => {
      throw new Error('cannot use ' + String(entry) + ' of node-redis: the bundle is built without its tables; use sendCommand');
    };
    Object.defineProperty(exports, '__esModule', { value: true });
    exports.${exported} = new Proxy({}, { get });`;
}
