/**
 * Tests the links of the Markdown pages: every relative link refers to a file, every anchor refers to a heading, and
 * the index lists every page.
 */
import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { readRepositoryFile, repositoryFiles, repositoryRoot } from '../support/repository.ts';

const INDEX = 'docs/README.md';
const pages = repositoryFiles(['*.md', 'docs/**/*.md', 'charts/pannier/README.md', 'examples/**/*.md']);

function withoutFences(markdown: string): string {
  return markdown.replaceAll(/^( *)```.*?^ *```$/gms, '');
}

/** Removes fenced code and code spans, which contain no links. */
function proseOf(markdown: string): string {
  return withoutFences(markdown).replaceAll(/`[^`\n]*`/g, '');
}

function linksOf(markdown: string): string[] {
  const prose = proseOf(markdown);
  const inline = [...prose.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)];
  const references = [...prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)];
  return [...inline, ...references].map(([, target = '']) => target).filter((target) => !/^[a-z]+:/.test(target));
}

/**
 * Returns the anchors of all headings according to GitHub's rules: lower case, no punctuation, hyphens for spaces, and
 * a number for a repeated heading.
 */
function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  const counts = new Map<string, number>();
  const page = withoutFences(markdown);
  for (const [, heading = ''] of page.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1');
    const anchor = text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-');
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    anchors.add(count === 0 ? anchor : `${anchor}-${count}`);
  }
  for (const [, id = ''] of page.matchAll(/<a (?:id|name)="([^"]+)"/g)) {
    anchors.add(id);
  }
  return anchors;
}

/** Returns the reason why a link on `page` is broken, or undefined if the link works. */
function brokenReason(page: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : normalize(join(dirname(page), decodeURI(path)));
  if (!existsSync(join(repositoryRoot, target))) {
    return `${page}: ${link} leads to no file`;
  }
  if (anchor === undefined || statSync(join(repositoryRoot, target)).isDirectory()) {
    return undefined;
  }
  return anchorsOf(readRepositoryFile(target)).has(anchor) ? undefined : `${page}: ${link} leads to no heading`;
}

test.each(pages)('the links of %s lead to files and headings', (page) => {
  const broken = linksOf(readRepositoryFile(page)).map((link) => brokenReason(page, link));
  expect(broken.filter((reason) => reason !== undefined)).toEqual([]);
});

test('the index of the docs lists every page', () => {
  const listed = new Set(
    linksOf(readRepositoryFile(INDEX)).map((link) => normalize(join('docs', link.split('#')[0] ?? ''))),
  );
  const missing = repositoryFiles(['docs/**/*.md']).filter((page) => page !== INDEX && !listed.has(page));
  expect(missing).toEqual([]);
});

test('anchors follow the rules of GitHub', () => {
  const page = '# C# and `pannier.dev/inject`\n\n## Wait, what?\n\n## Wait, what?\n\n```sh\n# no heading\n```\n';
  expect([...anchorsOf(page)]).toEqual(['c-and-pannierdevinject', 'wait-what', 'wait-what-1']);
});

test('links in code are ignored', () => {
  const page =
    'see [a](a.md#b "title") and [web](https://example.com)\n\n`[x](y)`\n\n```md\n[c](d.md)\n```\n[r]: e.md\n';
  expect(linksOf(page)).toEqual(['a.md#b', 'e.md']);
});
