/**
 * Leaves node-redis' two tables out of the bundle: its 400 commands and what is known of each. Pannier only sends raw commands, and HELLO is
 * not built through the tables. To evaluate them costs each sidecar with Redis about 4 MB of anonymous memory and 20 ms at its start.
 *
 * Invariants:
 *   1. Whatever reads an entry of a table that was left out throws an error that names the entry.
 *   2. A build in which one of the tables was not found fails.
 */
import type { Plugin } from 'esbuild';

/** Paths of the tables in the package, and the names that they export. */
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
        text: `cannot leave out ${table}: the bundle does not import it; adapt scripts/node-redis-tables.ts to this version of node-redis`,
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
