import { rename, writeFile } from 'node:fs/promises'

/**
 * Writes a file that a shell can source (`. .local/env`) to talk to the parts of this run: one `export` a line,
 * every value single-quoted. Only the owner may read it: it holds the database's password.
 */
export async function writeEnvironmentFile(
  path: string,
  values: Record<string, string | undefined>,
): Promise<void> {
  const lines = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`export ${name}=${quoted(value)}`],
  )
  const temporary = `${path}.new`
  await writeFile(temporary, `${lines.join('\n')}\n`, { mode: 0o600 })
  await rename(temporary, path)
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`
}
