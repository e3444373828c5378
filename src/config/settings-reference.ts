/**
 * Renders the settings table for `pannier serve --help` and for docs/reference/settings.md.
 */
import { PREFIX, SETTINGS, type SettingRow } from './settings.ts';

const ROWS: readonly SettingRow[] = SETTINGS;

/** Width at which the help text is wrapped. Commander uses the same width without a terminal. */
const HELP_COLUMNS = 80;
const HELP_INDENT = ' '.repeat(6);

/** Returns a text that lists each setting with its default and its meaning. */
export function settingsHelp(): string {
  const entries = ROWS.map((row) => {
    const initial = row.initial === undefined ? 'unset' : row.initial;
    return `  ${PREFIX}${row.name} [${initial}]\n${wrapped(row.meaning)}`;
  });
  return `Settings (environment variables; defaults in brackets):\n${entries.join('\n')}`;
}

function wrapped(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (HELP_INDENT.length + line.length + word.length > HELP_COLUMNS) {
      lines.push(`${word} `);
    } else {
      lines[lines.length - 1] = `${line}${word} `;
    }
  }
  return lines.map((line) => HELP_INDENT + line.trimEnd()).join('\n');
}

export function settingsMarkdown(): string {
  const head = [
    '# Settings',
    '',
    'After reading this page you can configure a sidecar. Settings are environment variables. The smallest configuration with Redis needs only one variable:',
    '',
    '```console',
    '$ PANNIER_REDIS_URL=redis://redis.example:6379 bin/pannier serve',
    '```',
    '',
    '`bin/pannier check` checks the settings in your environment, the files that they name, and the policy file. It prints every error. If it',
    'finds one, it exits with code 1. `serve` prints the same errors on standard error and exits with code 2.',
    '',
    'An empty variable is treated as unset. The exception is `PANNIER_KEY_PREFIX`: if it is empty, keys have no prefix. An unknown `PANNIER_*` variable is an error, because it',
    'is usually a misspelled setting. The variables that Kubernetes creates for a Service called pannier or pannier-something are ignored.',
    '',
    'In Kubernetes you rarely set these variables yourself: the chart and the [annotations](annotations.md) of a pod set them. This page is generated',
    'from the table in src/config/settings.ts (`make docs`).',
    '',
    '| setting | default | accepts | meaning | why |',
    '|---|---|---|---|---|',
  ];
  const rows = ROWS.map((row) => {
    const initial = row.initial === undefined ? '(unset)' : `\`${row.initial}\``;
    return `| \`${PREFIX}${row.name}\` | ${initial} | ${accepts(row)} | ${row.meaning} | ${row.why} |`;
  });
  return `${[...head, ...rows].join('\n')}\n`;
}

function accepts(row: SettingRow): string {
  switch (row.kind.kind) {
    case 'integer':
      return `${row.kind.min} to ${row.kind.max}${row.kind.unit === '' ? '' : ` ${row.kind.unit}`}`;
    case 'choice':
      return row.kind.choices.join(', ');
    case 'text':
      return row.kind.accepted;
  }
}
