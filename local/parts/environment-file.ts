import { rename, writeFile } from 'node:fs/promises'

/**
 * Writes a file that a shell can source (`. .local/env`) to talk to the parts of this run: one `export` a line,
 * every value single-quoted. Only the owner may read it: it holds the database's password.
 * @param programs folder to put before the PATH: the kubectl that was built with the control plane
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
