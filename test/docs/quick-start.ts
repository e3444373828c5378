/**
 * Reads the five commands of the quick start on the Kubernetes page, so that tests can check and run them.
 */
import { readRepositoryFile } from '../support/repository.ts';
import { consoleCommands, readFences, sectionOf } from './executable-page.ts';

export const KUBERNETES_PAGE = 'docs/operations/kubernetes.md';

export interface QuickStart {
  readonly build: string;
  /** Command that loads the images into a cluster of kind. */
  readonly load: string;
  readonly install: string;
  readonly apply: string;
  readonly visit: string;
  /** Output of the last command. */
  readonly output: string;
  /** Command that loads the images into a cluster of minikube. */
  readonly loadIntoMinikube: string;
}

export function readQuickStart(): QuickStart {
  const section = sectionOf(readRepositoryFile(KUBERNETES_PAGE), '## Quick start on kind or minikube');
  const [commands, output] = readFences(section);
  const [build = '', load = '', install = '', apply = '', visit = '', ...further] = consoleCommands(
    commands?.text ?? '',
  );
  if (visit === '' || further.length > 0) {
    throw new Error(`cannot read the quick start: it must consist of five commands, got ${commands?.text}`);
  }
  const loadIntoMinikube = /`(minikube image load [^`]+)`/.exec(section)?.[1] ?? '';
  return { build, load, install, apply, visit, output: output?.text ?? '', loadIntoMinikube };
}
