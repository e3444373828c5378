/**
 * Returns the default values of annotations, for `pannier injection explain`.
 */
import { PREFIX, SETTINGS, type SettingName, type SettingRow } from '../config/settings.ts';
import type { SidecarConfig } from './sidecar-config.ts';

export interface InitialValue {
  /** Default value as text; undefined if the annotation has no default. */
  readonly text: string | undefined;
  readonly source: 'configuration' | 'default';
}

export function configured(text: string | undefined): InitialValue {
  return { text, source: 'configuration' };
}

export function byDefault(text: string): InitialValue {
  return { text, source: 'default' };
}

/** Returns the default of a setting, which the `env` of the configuration may override. */
export function programSetting(config: SidecarConfig, name: SettingName): InitialValue {
  const text = config.env[PREFIX + name];
  const row: SettingRow | undefined = SETTINGS.find((candidate) => candidate.name === name);
  return text === undefined ? { text: row?.initial, source: 'default' } : configured(text);
}
