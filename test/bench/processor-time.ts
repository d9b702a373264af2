import { readFile } from 'node:fs/promises'

/** The kernel counts in hundredths of a second, whatever its own clock. */
const tickMs = 10

/** Processor time of one process since it started, in milliseconds; undefined where there is no `/proc`. */
export async function processorMs(pid: number | undefined): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields && (Number(fields[11]) + Number(fields[12])) * tickMs
}
