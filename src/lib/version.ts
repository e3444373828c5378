/**
 * The version of the program: package.json's, put in by the build; from source it says so.
 */
declare const PANNIER_VERSION: string | undefined;

export const VERSION: string = typeof PANNIER_VERSION === 'string' ? PANNIER_VERSION : '0.0.0-source';
