import packageJson from '../package.json' with { type: 'json' }

/** Ours, as the User-Agent and `--version` say it. */
export const version: string = packageJson.version
