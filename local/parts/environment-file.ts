import { rename, writeFile } from 'node:fs/promises'

/**
 * Writes a file that a shell sources (`. .local/env`) to reach the parts of this run. Each line is one `export` with a
 * single-quoted value. The file holds the database's password, so only its owner may read it.
 * @param programs folder with the kubectl of a started control plane, put before the PATH
 */
export async function writeEnvironmentFile(
  path: string,
  values: Record<string, string | undefined>,
  programs: string | undefined,
): Promise<void> {
  const lines = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`export ${name}=${quoted(value)}`],
  )
  if (programs !== undefined) lines.push(`export PATH=${quoted(programs)}:"$PATH"`)
  const temporary = `${path}.new`
  await writeFile(temporary, `${lines.join('\n')}\n`, { mode: 0o600 })
  await rename(temporary, path)
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`
}
