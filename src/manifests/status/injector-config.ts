/**
 * Finds the configuration of the injector in a cluster, whatever the release is called and wherever it is installed.
 *
 * The command looks at these places in this order and uses the first that exists:
 *   1. The ConfigMap that the user names (`--injector-config`).
 *   2. The ConfigMap in the namespace that the user names (`--injector-namespace`), by its labels.
 *   3. The ConfigMap that the annotation of the ClusterRole `pannier-injection-status` names.
 *   4. The ConfigMap in any namespace, by its labels.
 * The permissions of that ClusterRole suffice to read one ConfigMap, but not to list ConfigMaps. If the user may not list
 * them, place 2 is the ConfigMap of place 3 if it is in the namespace. Otherwise places 2 and 4 are the ConfigMap with the
 * name that a release `pannier` creates.
 *
 * Invariant: if several ConfigMaps exist at one place, the command chooses none of them.
 */
import { CONFIG_ANNOTATION } from '../../injection/annotations.ts';
import { apiStatusOf, type ClusterApi, pagesOf, reasonOf } from './cluster.ts';

const STATUS_CLUSTER_ROLE = 'pannier-injection-status';
export const CONFIG_KEY = 'injector.yaml';
const CONFIG_LABELS = 'app.kubernetes.io/part-of=pannier,app.kubernetes.io/component=injector';
const DEFAULT_NAMESPACE = 'pannier-system';
const DEFAULT_NAME = 'pannier-injector-config';

export interface ConfigPlace {
  /** `NAMESPACE/NAME` of the ConfigMap; undefined if the command must find it. */
  readonly injectorConfig?: string;
  readonly injectorNamespace?: string;
}

export type FoundConfig =
  /** `source` is the text that names the ConfigMap in errors. */
  | { readonly kind: 'found'; readonly source: string; readonly text: string }
  | { readonly kind: 'problem'; readonly message: string };

export async function findInjectorConfig(api: ClusterApi, place: ConfigPlace): Promise<FoundConfig> {
  if (place.injectorConfig !== undefined) {
    return await readConfigMap(api, place.injectorConfig);
  }
  const { injectorNamespace } = place;
  const listed =
    injectorNamespace === undefined ? await namesInCluster(api) : await namesInNamespace(api, injectorNamespace);
  const names = listed === 'forbidden' ? [`${injectorNamespace ?? DEFAULT_NAMESPACE}/${DEFAULT_NAME}`] : listed;
  const [first] = names;
  if (first !== undefined && names.length === 1) {
    return await readConfigMap(api, first);
  }
  if (names.length > 1) {
    const message = `cannot choose the injector's configuration: ConfigMaps ${names.join(', ')} exist; set --injector-config to one of them`;
    return { kind: 'problem', message };
  }
  return { kind: 'problem', message: await nothingFound(api, injectorNamespace) };
}

async function readConfigMap({ core }: ClusterApi, place: string): Promise<FoundConfig> {
  const [namespace, name, ...others] = place.split('/');
  if (!namespace || !name || others.length > 0) {
    return { kind: 'problem', message: `--injector-config must be NAMESPACE/NAME, got ${JSON.stringify(place)}` };
  }
  const source = `ConfigMap ${place}`;
  try {
    const configMap = await core.readNamespacedConfigMap({ name, namespace });
    return { kind: 'found', source, text: configMap.data?.[CONFIG_KEY] ?? '' };
  } catch (error) {
    const remedy =
      apiStatusOf(error) === 403
        ? `bind ClusterRole ${STATUS_CLUSTER_ROLE} to your user, or set --config`
        : 'set --injector-config or --config';
    return { kind: 'problem', message: `cannot read ${source}: ${reasonOf(error)}; ${remedy}` };
  }
}

type Names = readonly string[] | 'forbidden';

/** Returns the name that the chart's ClusterRole contains. Otherwise returns the names of the ConfigMaps of releases. */
async function namesInCluster(api: ClusterApi): Promise<Names> {
  const place = await annotatedName(api);
  return place === undefined ? await namesIn(api, undefined) : [place];
}

async function annotatedName({ rbac }: ClusterApi): Promise<string | undefined> {
  try {
    const role = await rbac.readClusterRole({ name: STATUS_CLUSTER_ROLE });
    return role.metadata?.annotations?.[CONFIG_ANNOTATION];
  } catch (error) {
    if (apiStatusOf(error) !== 404 && apiStatusOf(error) !== 403) {
      throw error;
    }
    return undefined;
  }
}

async function namesInNamespace(api: ClusterApi, namespace: string): Promise<Names> {
  const listed = await namesIn(api, namespace);
  if (listed !== 'forbidden') {
    return listed;
  }
  const place = await annotatedName(api);
  return place?.startsWith(`${namespace}/`) === true ? [place] : listed;
}

async function namesIn({ core }: ClusterApi, namespace: string | undefined): Promise<Names> {
  const labelSelector = CONFIG_LABELS;
  try {
    const found = await pagesOf(
      (page) =>
        namespace === undefined
          ? core.listConfigMapForAllNamespaces({ ...page, labelSelector })
          : core.listNamespacedConfigMap({ ...page, labelSelector, namespace }),
      ({ metadata, data }) => ({
        name: `${metadata?.namespace}/${metadata?.name}`,
        isConfig: data?.[CONFIG_KEY] !== undefined,
      }),
    );
    return found.filter(({ isConfig }) => isConfig).map(({ name }) => name);
  } catch (error) {
    if (apiStatusOf(error) === 403) {
      return 'forbidden';
    }
    throw error;
  }
}

async function nothingFound(api: ClusterApi, namespace: string | undefined): Promise<string> {
  const elsewhere = namespace === undefined ? [] : await namesInCluster(api);
  if (elsewhere !== 'forbidden' && elsewhere.length > 0) {
    return `cannot find the injector's configuration: namespace ${namespace} contains none, but ConfigMap ${elsewhere.join(', ')} exists; set --injector-config, or leave out --injector-namespace`;
  }
  return `cannot find the injector's configuration: the cluster has no ClusterRole ${STATUS_CLUSTER_ROLE} and no ConfigMap with the labels ${CONFIG_LABELS}; install the chart, or set --config to a file (docs/reference/annotations.md#commands)`;
}
