/**
 * Reads the commands and programs of docs/clients.md, so that tests run the same commands and programs as users.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFences } from '../docs/executable-page.ts';
import { repositoryRoot } from '../support/repository.ts';

/** Address in every program of the page. */
const PAGE_ADDRESS = '127.0.0.1:9470';

const page = readFileSync(join(repositoryRoot, 'docs', 'clients.md'), 'utf8');

/**
 * Returns the command that generates code, from one section of the page. The other commands of the section install
 * tools.
 */
export function generateCommandOf(heading: string): string {
  const commands = blocksOf(heading, 'sh').filter((text) =>
    /\b(?:protoc|grpc_tools_ruby_protoc|buf generate)\b/.test(text),
  );
  const [command] = commands.filter((text) => !text.includes(' install '));
  if (command === undefined) {
    throw new Error(`cannot read docs/clients.md: section "${heading}" has no command that generates code`);
  }
  return command.trim();
}

/** Returns the code blocks of a section in one language. The address in the code is replaced with `address`. */
export function programsOf(heading: string, language: string, address: string): readonly string[] {
  return blocksOf(heading, language).map((text) => text.replaceAll(PAGE_ADDRESS, address));
}

function blocksOf(heading: string, language: string): readonly string[] {
  const [, section] = page.split(`\n## ${heading}\n`);
  if (section === undefined) {
    throw new Error(`cannot read docs/clients.md: there is no section "${heading}"`);
  }
  const [text = ''] = section.split('\n## ');
  return readFences(text)
    .filter((fence) => fence.language === language)
    .map((fence) => fence.text);
}
