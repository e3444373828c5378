/**
 * The settings table as text: for `--help` and as docs/reference/settings.md.
 */
import { PREFIX, SETTINGS, type SettingRow } from './settings.ts';

const ROWS: readonly SettingRow[] = SETTINGS;

/** One entry per setting: name, default, meaning. */
export function settingsHelp(): string {
  const width = Math.max(...ROWS.map((row) => row.name.length)) + PREFIX.length;
  const lines = ROWS.map((row) => {
    const initial = row.initial === undefined ? 'unset' : row.initial;
    return `  ${(PREFIX + row.name).padEnd(width)}  ${row.meaning} [${initial}]`;
  });
  return `Settings (environment variables, defaults in brackets):\n${lines.join('\n')}`;
}

export function settingsMarkdown(): string {
  const head = [
    '# Settings',
    '',
    'Environment variables. `bin/pannier check` says whether those that are set, the files that they name and the policy file can be used. An',
    'empty one counts as unset, but for `PANNIER_KEY_PREFIX`: no prefix. An unknown `PANNIER_*` variable is a mistake, unless Kubernetes made it for',
    'a Service called pannier or pannier-something. `serve` prints every mistake on standard error and ends with exit code 2.',
    '',
    'This page is generated from the table in src/config/settings.ts (`make docs`).',
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
